"""What a checkout quotes: a pure function of what the edge reads, and everything that is wrong with a cart at once.

A quote carries the id that its order will have, so however often it is placed it is one order. It goes to the shopper signed
and comes back as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from producers.checkout.carts import CartLine, cart_digest
from producers.checkout.charges import NO_RULES, charges_of
from producers.clients.orders import OrderLine, OrderRequest
from schemas.limits import MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from producers.checkout.charges import ChargeRules
    from producers.checkout.signing import Signer

QUOTE_MS: Final = 15 * 60 * 1000
"""How long a quote can be placed."""
MAX_ORDER_LINES: Final = 100
PURPOSE: Final = "quote"
ProblemKind: TypeAlias = Literal[
    "unknown", "not_sold", "sold_out", "too_few", "price_changed", "too_many_lines", "empty", "unknown_code"
]
NOTICES: Final = frozenset({"price_changed", "unknown_code"})
"""What can be accepted as it is: it is shown, and the quote holds."""
LEVELS: Final = frozenset({"too_few", "sold_out"})
"""What is wrong with the stock, not with what was shown: of an order that may be on the log inventory decides that."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A SKU as it can be bought now. `price_minor` is None where it is not for sale here; `available` counts own holds."""

    sku: str
    product_id: str
    slug: str
    title: str
    price_minor: int | None
    available: int
    category: str = ""


class QuotedLine(msgspec.Struct, frozen=True):
    """One line at its price, with what it has of the charges; `included_minor` is tax that the price contains already."""

    sku: str
    title: str
    quantity: int
    unit_price_minor: int
    discount_minor: int = 0
    tax_minor: int = 0
    included_minor: int = 0

    @property
    def price_minor(self) -> int:
        """What the units cost, before any charge."""
        return self.quantity * self.unit_price_minor


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with what is wanted. Only what is in NOTICES can be accepted as it is.

    `alternatives` are up to three products that can be bought instead: (slug, title).
    """

    kind: ProblemKind
    sku: str = ""
    title: str = ""
    wanted: int = 0
    available: int = 0
    old_minor: int | None = None
    new_minor: int | None = None
    alternatives: tuple[tuple[str, str], ...] = ()

    @property
    def is_blocking(self) -> bool:
        """Whether nothing can be placed before it is mended."""
        return self.kind not in NOTICES


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What an order would be: prices in minor units of the currency, to be placed until `expires_ms` (epoch, UTC)."""

    order_id: str
    cart_id: str
    customer_id: str
    currency: str
    lines: tuple[QuotedLine, ...]
    expires_ms: int
    problems: tuple[Problem, ...] = ()
    shipping_minor: int = 0
    code: str = ""
    shipping_included_minor: int = 0

    @property
    def goods_minor(self) -> int:
        """What the units of all lines cost, before any charge."""
        return sum(line.price_minor for line in self.lines)

    @property
    def discount_minor(self) -> int:
        """What all lines cost less."""
        return sum(line.discount_minor for line in self.lines)

    @property
    def tax_minor(self) -> int:
        """Tax that is added to all lines."""
        return sum(line.tax_minor for line in self.lines)

    @property
    def included_minor(self) -> int:
        """Tax that the prices contain already, that of shipping too."""
        return sum(line.included_minor for line in self.lines) + self.shipping_included_minor

    @property
    def total_minor(self) -> int:
        """What will be charged: nothing is added later."""
        return self.goods_minor - self.discount_minor + self.tax_minor + self.shipping_minor

    @property
    def can_be_placed(self) -> bool:
        """Whether nothing stands in its way."""
        return bool(self.lines) and not any(problem.is_blocking for problem in self.problems)


def make_quote(
    wanted: Sequence[CartLine],
    offers: Mapping[str, Offer],
    *,
    order_id: str,
    cart_id: str,
    customer_id: str,
    currency: str,
    now_ms: int,
    rules: ChargeRules = NO_RULES,
    code: str = "",
) -> Quote:
    """Quote what is wanted at the present prices, with the charges by the rules, and name every problem. Pure."""
    problems = []
    lines = []
    categories = []
    if not wanted:
        problems.append(Problem(kind="empty"))
    if len(wanted) > MAX_ORDER_LINES:
        problems.append(Problem(kind="too_many_lines", wanted=len(wanted), available=MAX_ORDER_LINES))
    for line in wanted:
        offer = offers.get(line.sku)
        problems += _problems_of(line, offer)
        if offer is not None and offer.price_minor is not None:
            lines.append(QuotedLine(line.sku, offer.title, line.quantity, offer.price_minor))
            categories.append(offer.category)
    if code and code not in rules.discounts:
        problems.append(Problem(kind="unknown_code", sku=code))
    charges = charges_of(rules, [(line.price_minor, each) for line, each in zip(lines, categories, strict=True)], code)
    return Quote(
        order_id=order_id,
        cart_id=cart_id,
        customer_id=customer_id,
        currency=currency,
        lines=tuple(
            msgspec.structs.replace(line, **msgspec.structs.asdict(charge))
            for line, charge in zip(lines, charges.lines, strict=True)
        ),
        expires_ms=now_ms + QUOTE_MS,
        problems=tuple(problems),
        shipping_minor=charges.shipping_minor,
        shipping_included_minor=charges.shipping_included_minor,
        code=code if code in rules.discounts else "",
    )


def _problems_of(line: CartLine, offer: Offer | None) -> list[Problem]:
    if offer is None:
        return [Problem(kind="unknown", sku=line.sku, wanted=line.quantity)]
    if offer.price_minor is None:
        return [Problem(kind="not_sold", sku=line.sku, title=offer.title, wanted=line.quantity)]
    problems = []
    if not 0 < line.quantity <= min(offer.available, MAX_QUANTITY):
        kind: ProblemKind = "too_few" if offer.available > 0 else "sold_out"
        problems.append(
            Problem(kind=kind, sku=line.sku, title=offer.title, wanted=line.quantity, available=max(0, offer.available))
        )
    if line.seen_minor is not None and line.seen_minor != offer.price_minor:
        problems.append(
            Problem(
                kind="price_changed",
                sku=line.sku,
                title=offer.title,
                old_minor=line.seen_minor,
                new_minor=offer.price_minor,
            )
        )
    return problems


def differences(quote: Quote, offers: Mapping[str, Offer]) -> list[Problem]:
    """Return what has changed since a quote was made, so that it cannot be placed as it was shown. Pure."""
    return [
        problem
        for line in quote.lines
        for problem in _problems_of(CartLine(line.sku, line.quantity, line.unit_price_minor), offers.get(line.sku))
    ]


def sign_quote(signer: Signer, quote: Quote) -> str:
    """Return a quote as a token for the shopper to bring back."""
    return signer.sign(PURPOSE, msgspec.json.encode(msgspec.structs.replace(quote, problems=())))


def opened_quote(signer: Signer, token: str) -> Quote | None:
    """Return the quote of a token; None where it was not signed here."""
    payload = signer.opened(PURPOSE, token)
    return None if payload is None else msgspec.json.decode(payload, type=Quote)


def order_of(quote: Quote, payment_token: str, hold_seconds: int) -> OrderRequest:
    """Return the order that a quote becomes: its lines, its prices, its id.

    The log has a digest of the cart's id only, as whoever has a guest's id has the cart.
    """
    return OrderRequest(
        lines=tuple(
            OrderLine(line.sku, line.quantity, line.unit_price_minor, line.discount_minor, line.tax_minor)
            for line in quote.lines
        ),
        shipping_minor=quote.shipping_minor,
        customer_id=quote.customer_id,
        currency=quote.currency,
        payment_token=payment_token,
        hold_seconds=hold_seconds,
        cart_id=cart_digest(quote.cart_id),
        order_id=quote.order_id,
    )
