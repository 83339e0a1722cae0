"""The order client: turns orders into commands, one a line, and publishes them.

Decision: docs/decisions, 013.
"""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from producers.clients.requests import require_text
from producers.errors import InvalidOrderError
from producers.publisher import BY_KEY, Outgoing
from schemas.charges import find_charge_fault
from schemas.codec import wire
from schemas.errors import UnknownCurrencyError
from schemas.ids import are_order_ids, is_order_id, new_order_id
from schemas.limits import MAX_HOLD_SECONDS, MAX_LINES, MAX_QUANTITY, MAX_UNIT_PRICE_MINOR
from schemas.messages import PlaceOrderLine
from schemas.money import CURRENCIES, minor_units
from schemas.terms import SHIP_AVAILABLE, TERMS
from schemas.texts import are_all_plain, are_plain
from topology.topics import INVENTORY_COMMANDS, keys_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.publisher import Publisher

DEFAULT_HOLD_SECONDS: Final = 900
ACCEPTED_TOKEN: Final = "tok_ok"  # noqa: S105  the sandbox processor's name for a card that pays
DECLINED_TOKEN: Final = "tok_declined"  # noqa: S105  and for one that does not
TOGETHER: Final = 250
"""Orders that are looked at together; one that is not plain has these looked at one by one. More than the 700 new objects after
which Python's garbage collector looks around would cost as much again (`gc.get_threshold`)."""
_FEW: Final = 8


class OrderLine(NamedTuple):
    """One line: `quantity` whole units of a SKU, at `unit_price_minor` in minor units of the order's currency.

    `discount_minor` is what the whole line costs less, `tax_minor` the tax that is added to it.
    """

    sku: str
    quantity: int
    unit_price_minor: int
    discount_minor: int = 0
    tax_minor: int = 0

    @property
    def amount_minor(self) -> int:
        """What the line costs."""
        return self.quantity * self.unit_price_minor - self.discount_minor + self.tax_minor


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer wants. The id is made here, once: whoever publishes the request again publishes the same order.

    A later order with the same customer and `cart_id` takes over what an earlier one holds and has not paid yet.
    `terms` are words of schemas.terms: whether the order may go on with fewer lines, and when it is captured. `reference`
    is what the client calls the order, such as an invoice number: the order can be found by it. `shipping_minor` is charged
    once, with the order, in minor units of its currency.
    """

    lines: tuple[OrderLine, ...]
    customer_id: str
    currency: str = "GBP"
    payment_token: str = ACCEPTED_TOKEN
    hold_seconds: int = DEFAULT_HOLD_SECONDS
    cart_id: str = ""
    terms: str = ""
    reference: str = ""
    shipping_minor: int = 0
    order_id: str = msgspec.field(default_factory=new_order_id)

    @property
    def amount_minor(self) -> int:
        """What the order costs, in minor units of its currency."""
        return sum(line.amount_minor for line in self.lines) + self.shipping_minor


def place_order_lines(request: OrderRequest) -> list[PlaceOrderLine]:
    """Return the order's commands, `line i of n`, in the order of its lines. Raises InvalidOrderError.

    `demand` is what this line and the later ones want of its SKU together, so the first line that names a SKU stands for
    the whole of it: inventory refuses that one when the sum is not there, instead of finding out at the last. Under
    ship_available a line stands for itself alone: the order goes on with those that are there.
    """
    if _is_plain(request):
        return [_only_line(request)]
    check_order(request)
    apart = SHIP_AVAILABLE in request.terms.split()
    demand: dict[str, int] = {}
    commands = []
    for number, line in reversed(list(enumerate(request.lines, start=1))):
        demand[line.sku] = demand.get(line.sku, 0) + line.quantity
        commands.append(
            PlaceOrderLine(
                order_id=request.order_id,
                line=number,
                line_count=len(request.lines),
                sku=line.sku,
                quantity=line.quantity,
                demand=line.quantity if apart else demand[line.sku],
                unit_price_minor=line.unit_price_minor,
                currency=request.currency,
                customer_id=request.customer_id,
                payment_token=request.payment_token,
                hold_seconds=request.hold_seconds,
                cart_id=request.cart_id,
                terms=request.terms,
                reference=request.reference,
                discount_minor=line.discount_minor,
                tax_minor=line.tax_minor,
                shipping_minor=request.shipping_minor,
            )
        )
    commands.reverse()
    return commands


def outgoing_orders(requests: Sequence[OrderRequest]) -> list[Outgoing]:
    """Return the lines of many orders, one after the other, as they are published. Raises InvalidOrderError."""
    records: list[Outgoing] = []
    for part in (requests[begin : begin + TOGETHER] for begin in range(0, len(requests), TOGETHER)):
        plain = _only_lines(part) if len(part) >= _FEW else None
        records += outgoing_lines(
            [line for request in part for line in place_order_lines(request)] if plain is None else plain
        )
    return records


class OrderClient:
    """Places orders through a publisher that its owner opens and closes."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def place(self, requests: Sequence[OrderRequest]) -> None:
        """Publish the orders and return when Kafka has acknowledged every line. Placing one again changes nothing.

        Raises InvalidOrderError before anything is published, and PublishError: then some lines may have got through.
        """
        await self._publisher.publish(outgoing_orders(requests))


def outgoing_lines(commands: Sequence[PlaceOrderLine]) -> list[Outgoing]:
    """Return order lines as they are published."""
    if not commands:
        return []
    name = INVENTORY_COMMANDS.name
    return list(map(Outgoing, repeat(name), repeat(BY_KEY), keys_of(commands), wire.encode_all(commands)))


def _is_plain(request: OrderRequest) -> bool:
    """Tell whether an order of one line is beyond doubt as it must be, which takes a third of the time; False proves nothing."""
    if len(request.lines) != 1 or request.cart_id or request.reference or request.shipping_minor:
        return False
    sku, quantity, unit_price_minor, *charges = request.lines[0]
    return not any(charges) and (
        are_plain(f" {request.customer_id} {request.payment_token} {sku} ")
        and 0 < quantity <= MAX_QUANTITY
        and 0 <= unit_price_minor <= MAX_UNIT_PRICE_MINOR
        and 0 < request.hold_seconds <= MAX_HOLD_SECONDS
        and request.terms in TERMS
        and request.currency in CURRENCIES
        and is_order_id(request.order_id)
    )


def _only_line(request: OrderRequest) -> PlaceOrderLine:
    sku, quantity, unit_price_minor, *_ = request.lines[0]
    return PlaceOrderLine(
        request.order_id,
        1,
        1,
        sku,
        quantity,
        quantity,
        unit_price_minor,
        request.currency,
        request.customer_id,
        request.payment_token,
        request.hold_seconds,
        "",
        request.terms,
    )


def _only_lines(requests: Sequence[OrderRequest]) -> list[PlaceOrderLine] | None:
    """Return the lines of orders all of which are plain, checked a column at a time, in half the time; None proves nothing."""
    columns = zip(*map(msgspec.structs.astuple, requests), strict=True)
    lines, customers, currencies, tokens, holds, carts, terms, references, shipping, ids = columns
    if set(map(len, lines)) != {1} or any(carts) or any(references) or any(shipping):
        return None
    skus, quantities, prices, *charges = zip(*(line for (line,) in lines), strict=True)
    try:
        are_plain_orders = (
            not any(map(any, charges))
            and are_all_plain([*customers, *set(tokens), *skus])
            and 0 < min(quantities) <= max(quantities) <= MAX_QUANTITY
            and 0 <= min(prices) <= max(prices) <= MAX_UNIT_PRICE_MINOR
            and 0 < min(holds) <= max(holds) <= MAX_HOLD_SECONDS
            and TERMS.issuperset(terms)
            and CURRENCIES.issuperset(currencies)
            and are_order_ids(ids)
        )
    except TypeError:  # one of them is of no such type at all
        return None
    if not are_plain_orders:
        return None
    one, none = repeat(1), repeat("")
    by_field = (ids, one, one, skus, quantities, quantities, prices, currencies, customers, tokens, holds, none, terms)
    return list(map(PlaceOrderLine, *by_field))


def check_order(request: OrderRequest) -> None:
    """Raise InvalidOrderError, which says what is wrong, unless an order is as inventory would take it."""
    if not is_order_id(request.order_id):
        raise InvalidOrderError(
            f"order_id is {request.order_id[:64]!r}; leave it out, or give a UUIDv7 of 36 lower-case characters"
        )
    for name in ("customer_id", "payment_token", "cart_id", "reference"):
        text = getattr(request, name)
        if text or name not in ("cart_id", "reference"):
            require_text(InvalidOrderError, name, text)
    if request.terms not in TERMS:
        known = "; ".join(sorted(terms for terms in TERMS if terms))
        raise InvalidOrderError(f"terms are {request.terms[:64]!r}; leave them out, or give one of: {known}")
    if not 0 < request.hold_seconds <= MAX_HOLD_SECONDS:
        raise InvalidOrderError(f"hold_seconds is {request.hold_seconds}; give 1 to {MAX_HOLD_SECONDS}")
    if not 0 < len(request.lines) <= MAX_LINES:
        raise InvalidOrderError(f"the order has {len(request.lines)} lines; give 1 to {MAX_LINES:,}, or split it")
    try:
        minor_units(request.currency)
    except UnknownCurrencyError as error:
        raise InvalidOrderError(str(error)) from error
    for number, line in enumerate(request.lines, start=1):
        _check_line(number, line)
        price_minor = line.quantity * line.unit_price_minor
        charges = (line.discount_minor, line.tax_minor, request.shipping_minor)
        if (fault := find_charge_fault(price_minor, *charges, request.terms)) is not None:
            raise InvalidOrderError(f"line {number}: {fault}")
    _check_sums(request)


def _check_line(number: int, line: OrderLine) -> None:
    require_text(InvalidOrderError, f"the SKU of line {number}", line.sku)
    if not 0 < line.quantity <= MAX_QUANTITY:
        raise InvalidOrderError(
            f"the quantity of line {number} is {line.quantity}; give 1 to {MAX_QUANTITY:,} whole units"
        )
    if not 0 <= line.unit_price_minor <= MAX_UNIT_PRICE_MINOR:
        raise InvalidOrderError(
            f"the unit price of line {number} is {line.unit_price_minor}; give 0 to {MAX_UNIT_PRICE_MINOR:,} minor units"
        )


def _check_sums(request: OrderRequest) -> None:
    demand: dict[str, int] = {}
    for line in request.lines:
        demand[line.sku] = demand.get(line.sku, 0) + line.quantity
    sku, most = max(demand.items(), key=lambda item: item[1])
    if most > MAX_QUANTITY:
        raise InvalidOrderError(f"the lines for {sku} add up to {most} units; at most {MAX_QUANTITY:,} fit one order")
