"""A quote names every problem at once, charges what it shows, and comes back as it was given out."""

from __future__ import annotations

import msgspec
import pytest

from producers.checkout.carts import CartLine
from producers.checkout.quotes import (
    QUOTE_MS,
    Offer,
    Quote,
    differences,
    make_quote,
    opened_quote,
    order_of,
    sign_quote,
)
from producers.checkout.signing import Signer
from producers.clients.orders import place_order_lines
from schemas.ids import new_order_id

NOW = 1_790_000_000_000
SIGNER = Signer("a secret of the shop")


def offer(sku: str, price: int | None = 350, available: int = 10) -> Offer:
    return Offer(sku=sku, product_id=sku, slug=sku, title=sku.title(), price_minor=price, available=available)


def quote(*wanted: CartLine, offers: list[Offer]) -> Quote:
    return make_quote(
        wanted,
        {listing.sku: listing for listing in offers},
        order_id=new_order_id(),
        cart_id="c:1",
        customer_id="c-1",
        currency="GBP",
        now_ms=NOW,
    )


def test_every_problem_is_named_at_once() -> None:
    wanted = [
        CartLine("MUG", 2, 300),
        CartLine("TEA", 5),
        CartLine("TIN", 1),
        CartLine("OLD", 1),
        CartLine("WHAT", 1),
        CartLine("CUP", 0),
    ]
    quoted = quote(
        *wanted,
        offers=[offer("MUG"), offer("TEA", 100, 3), offer("TIN", 100, 0), offer("OLD", None), offer("CUP")],
    )
    assert [(problem.kind, problem.sku, problem.wanted, problem.available) for problem in quoted.problems] == [
        ("price_changed", "MUG", 0, 0),
        ("too_few", "TEA", 5, 3),
        ("sold_out", "TIN", 1, 0),
        ("not_sold", "OLD", 1, 0),
        ("unknown", "WHAT", 1, 0),
        ("too_few", "CUP", 0, 10),
    ]
    assert (quoted.problems[0].old_minor, quoted.problems[0].new_minor) == (300, 350)
    assert not quoted.can_be_placed


def test_a_changed_price_is_shown_and_can_be_accepted() -> None:
    quoted = quote(CartLine("MUG", 2, 300), offers=[offer("MUG")])
    assert quoted.can_be_placed
    assert quoted.total_minor == 700
    assert quoted.expires_ms == NOW + QUOTE_MS


def test_an_empty_cart_cannot_be_placed() -> None:
    assert [problem.kind for problem in quote(offers=[]).problems] == ["empty"]


def test_what_is_charged_is_what_was_quoted() -> None:
    quoted = quote(CartLine("MUG", 2), CartLine("TEA", 1), offers=[offer("MUG"), offer("TEA", 999)])
    order = order_of(quoted, "tok_ok", 900)
    assert order.amount_minor == quoted.total_minor == 1699
    assert {line.order_id for line in place_order_lines(order)} == {quoted.order_id}
    assert quoted.cart_id not in {line.cart_id for line in place_order_lines(order)}  # whoever has it has the cart


def test_a_quote_comes_back_as_it_was_signed_and_no_other_is_taken() -> None:
    quoted = quote(CartLine("MUG", 2), offers=[offer("MUG")])
    token = sign_quote(SIGNER, quoted)
    assert opened_quote(SIGNER, token) == quoted
    cheaper = msgspec.structs.replace(quoted, lines=(msgspec.structs.replace(quoted.lines[0], unit_price_minor=1),))
    forged = sign_quote(Signer("another secret"), cheaper)
    for bad in (forged, token[:-2], token + "x", "", "ü", "A" * 100_000, SIGNER.sign("session", b"{}")):
        assert opened_quote(SIGNER, bad) is None


@pytest.mark.parametrize(
    ("now", "kinds"),
    [
        (offer("MUG"), []),
        (offer("MUG", 351), ["price_changed"]),
        (offer("MUG", 349), ["price_changed"]),
        (offer("MUG", 350, 1), ["too_few"]),
        (offer("MUG", 400, 0), ["sold_out", "price_changed"]),
        (offer("MUG", None), ["not_sold"]),
    ],
)
def test_what_changed_since_the_quote_is_found(now: Offer, kinds: list[str]) -> None:
    quoted = quote(CartLine("MUG", 2), offers=[offer("MUG")])
    assert [difference.kind for difference in differences(quoted, {"MUG": now})] == kinds
