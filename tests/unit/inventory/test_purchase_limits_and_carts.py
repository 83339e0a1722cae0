from collections.abc import Callable

import pytest

from consumers.inventory.state import SaleRulesChanged
from tests.given_when_then import (
    A,
    B,
    C,
    CommitLine,
    LineCommitFailed,
    LineCommitted,
    LineExpired,
    LineRejected,
    LineReleased,
    LineRepeated,
    LineReserved,
    LineReturned,
    LineShipped,
    PlaceOrderLine,
    SetPurchaseLimit,
)
from tests.unit.inventory.dsl import given, in_cart, limited, ruled, stock, then, then_refused, when

PLENTY = stock(on_hand=99)


# --- limits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 1, 1_000_000])
def test_a_limit_is_set_and_lifted(limit: int) -> None:
    given(PLENTY)
    when(SetPurchaseLimit(command_id="l", limit=limit))
    then(SaleRulesChanged("l", "MUG", "purchase_limit", limit=limit))


def test_a_customer_buys_up_to_the_limit() -> None:
    given(PLENTY, limited(3), LineReserved(order_id=A, quantity=2))
    when(PlaceOrderLine(order_id=B, quantity=1))
    then(LineReserved(order_id=B, quantity=1))


def test_a_customer_does_not_buy_beyond_the_limit() -> None:
    given(PLENTY, limited(3), LineReserved(order_id=A, quantity=2))
    when(PlaceOrderLine(order_id=B, quantity=2))
    then(LineRejected(order_id=B, quantity=2, demand=2, available=97, reason="purchase_limit"))


def test_another_customer_has_a_limit_of_their_own() -> None:
    given(PLENTY, limited(3), LineReserved(order_id=A, quantity=3))
    when(PlaceOrderLine(order_id=B, quantity=3, customer_id="bea"))
    then(LineReserved(order_id=B, quantity=3, customer_id="bea"))


def test_two_lines_of_one_order_are_held_against_the_limit_together() -> None:
    given(PLENTY, limited(3))
    when(PlaceOrderLine(line=1, line_count=2, quantity=2, demand=4))
    then(LineRejected(line=1, line_count=2, quantity=2, demand=4, available=99, reason="purchase_limit"))


def test_a_duplicate_is_not_counted_twice() -> None:
    given(PLENTY, limited(1), LineReserved())
    when(PlaceOrderLine())
    then(LineRepeated())


@pytest.mark.parametrize("customer_id", ["ann ", " ann", "an\u200bn", "ann\u00a0"])
def test_nobody_evades_a_purchase_limit_by_a_blank_that_cannot_be_seen(customer_id: str) -> None:
    given(PLENTY, limited(1), LineReserved())
    when(PlaceOrderLine(order_id=B, customer_id=customer_id))
    then_refused("invalid_text")


@pytest.mark.parametrize(
    "fate",
    [(LineReleased(),), (LineExpired(),), (LineCommitted(), LineReturned())],
    ids=["released", "expired", "returned"],
)
def test_what_is_given_back_may_be_bought_again(fate: tuple[object, ...]) -> None:
    given(PLENTY, limited(1), LineReserved(), *fate)
    when(PlaceOrderLine(order_id=B))
    then(LineReserved(order_id=B))


@pytest.mark.parametrize(
    "fate", [(), (LineCommitted(),), (LineCommitted(), LineShipped())], ids=["held", "allocated", "shipped"]
)
def test_what_is_kept_stays_counted(fate: tuple[object, ...]) -> None:
    given(PLENTY, limited(1), LineReserved(), *fate)
    when(PlaceOrderLine(order_id=B))
    then(LineRejected(order_id=B, demand=1, available=98, reason="purchase_limit"))


def test_a_shipped_line_that_comes_back_may_be_bought_again() -> None:
    given(PLENTY, limited(1), LineReserved(), LineCommitted(), LineShipped(), LineReturned())
    when(PlaceOrderLine(order_id=B))
    then(LineReserved(order_id=B))


def test_units_count_from_when_a_limit_is_in_force() -> None:
    given(PLENTY, LineReserved(order_id=A, quantity=5), limited(2), LineReleased(order_id=A, quantity=5))
    when(PlaceOrderLine(order_id=B, quantity=3))
    then(LineRejected(order_id=B, quantity=3, demand=3, available=99, reason="purchase_limit"))
    when(PlaceOrderLine(order_id=B, quantity=2))
    then(LineReserved(order_id=B, quantity=2))


def test_a_limit_that_is_lifted_holds_nobody_up_but_remembers() -> None:
    given(PLENTY, limited(1, "l1"), LineReserved(order_id=A), limited(0, "l2"), LineReserved(order_id=B, quantity=9))
    when(PlaceOrderLine(order_id=C, quantity=9))
    then(LineReserved(order_id=C, quantity=9))
    given(PLENTY, limited(1, "l1"), LineReserved(order_id=A), limited(0, "l2"), limited(2, "l3"))
    when(PlaceOrderLine(order_id=C, quantity=2))
    then(LineRejected(order_id=C, quantity=2, demand=2, available=98, reason="purchase_limit"))


def test_a_late_commit_is_held_against_the_limit_again() -> None:
    expired = (PLENTY, limited(1), LineReserved(order_id=A), LineExpired(order_id=A))
    given(*expired, LineReserved(order_id=B))
    when(CommitLine(order_id=A))
    then(LineCommitFailed(order_id=A, available=98, reason="purchase_limit"))
    given(*expired)
    when(CommitLine(order_id=A))
    then(LineCommitted(order_id=A))


def test_a_late_commit_is_counted_again() -> None:
    given(PLENTY, limited(1), LineReserved(order_id=A), LineExpired(order_id=A), LineCommitted(order_id=A))
    when(PlaceOrderLine(order_id=B))
    then(LineRejected(order_id=B, demand=1, available=98, reason="purchase_limit"))


def test_a_late_commit_takes_nothing_that_is_off_sale() -> None:
    given(PLENTY, LineReserved(), LineExpired(), ruled("suspension"))
    when(CommitLine())
    then(LineCommitFailed(available=99, reason="sale_suspended"))


def test_what_is_held_is_sold_although_the_sale_is_suspended() -> None:
    given(PLENTY, LineReserved(), ruled("suspension"))
    when(CommitLine())
    then(LineCommitted())


# --- carts --------------------------------------------------------------------------------------------------------------


def test_a_new_checkout_of_a_cart_takes_over_what_the_old_one_holds() -> None:
    given(stock(on_hand=2), *in_cart("c", LineReserved(order_id=A, quantity=2)))
    when(PlaceOrderLine(order_id=B, quantity=2, cart_id="c"))
    then(LineReleased(order_id=A, quantity=2, reason="replaced"), *in_cart("c", LineReserved(order_id=B, quantity=2)))


def test_several_old_lines_are_replaced_in_the_order_of_their_keys() -> None:
    given(
        stock(on_hand=3),
        *in_cart("c", LineReserved(order_id=B, line=2)),
        *in_cart("c", LineReserved(order_id=B, line=1)),
        *in_cart("c", LineReserved(order_id=A)),
    )
    when(PlaceOrderLine(order_id=C, cart_id="c"))
    then(
        LineReleased(order_id=A, reason="replaced"),
        LineReleased(order_id=B, line=1, reason="replaced"),
        LineReleased(order_id=B, line=2, reason="replaced"),
        *in_cart("c", LineReserved(order_id=C)),
    )


def test_an_order_never_replaces_its_own_lines() -> None:
    given(stock(on_hand=2), *in_cart("c", LineReserved(line=1, line_count=2)))
    when(PlaceOrderLine(line=2, line_count=2, cart_id="c"))
    then(*in_cart("c", LineReserved(line=2, line_count=2)))


def test_the_earlier_checkout_does_not_take_from_the_later_one_however_late_its_lines_come() -> None:
    given(stock(on_hand=9), *in_cart("c", LineReserved(order_id=B)))
    when(PlaceOrderLine(order_id=A, cart_id="c"))
    then(LineRejected(order_id=A, demand=1, available=8, reason="replaced"))


@pytest.mark.parametrize("other", [{"cart_id": "d"}, {"cart_id": ""}, {"cart_id": "c", "customer_id": "bea"}])
def test_nobody_takes_from_another_cart_or_from_no_cart(other: dict[str, str]) -> None:
    given(stock(on_hand=1), *in_cart("c", LineReserved(order_id=A)))
    command = PlaceOrderLine(order_id=B, **other)
    when(command)
    then(LineRejected(order_id=B, demand=1, available=0, customer_id=command.customer_id, reason="insufficient_stock"))


def test_two_customers_whose_names_and_carts_read_alike_are_two() -> None:
    given(stock(on_hand=1), *in_cart("b/c", LineReserved(order_id=A, customer_id="a")))
    when(PlaceOrderLine(order_id=B, customer_id="a/b", cart_id="c"))
    then(LineRejected(order_id=B, customer_id="a/b", demand=1, available=0, reason="insufficient_stock"))


@pytest.mark.parametrize("end", [LineCommitted, LineReleased, LineExpired])
def test_what_the_old_checkout_holds_no_longer_is_not_replaced(end: Callable[..., object]) -> None:
    given(stock(on_hand=2), *in_cart("c", LineReserved(order_id=A)), end(order_id=A))
    when(PlaceOrderLine(order_id=B, cart_id="c"))
    then(*in_cart("c", LineReserved(order_id=B)))


def test_a_checkout_that_gets_nothing_takes_nothing_from_the_old_one() -> None:
    given(stock(on_hand=2), *in_cart("c", LineReserved(order_id=A)))
    when(PlaceOrderLine(order_id=B, quantity=3, cart_id="c"))
    then(LineRejected(order_id=B, quantity=3, demand=3, available=1, reason="insufficient_stock"))


def test_what_is_replaced_is_given_back_to_the_limit() -> None:
    given(PLENTY, limited(2), *in_cart("c", LineReserved(order_id=A, quantity=2)))
    when(PlaceOrderLine(order_id=B, quantity=2, cart_id="c"))
    then(LineReleased(order_id=A, quantity=2, reason="replaced"), *in_cart("c", LineReserved(order_id=B, quantity=2)))


def test_a_duplicate_of_the_replaced_order_does_not_bring_it_back() -> None:
    given(
        PLENTY,
        *in_cart("c", LineReserved(order_id=A)),
        LineReleased(order_id=A),
        *in_cart("c", LineReserved(order_id=B)),
    )
    when(PlaceOrderLine(order_id=A, cart_id="c"))
    then(LineRepeated(order_id=A))
