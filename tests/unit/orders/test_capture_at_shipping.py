"""Orders whose money is captured when their goods leave, and how goods move an order."""

from typing import Any

import pytest

from consumers.orders.state import LineState
from schemas.messages import OrderedLine
from schemas.terms import CAPTURE_AT_SHIPPING
from tests.given_when_then import (
    LineCommitted,
    LineReturned,
    OrderDelivered,
    OrderPlaced,
    OrderReturned,
    OrderShipped,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCaptureFailed,
)
from tests.unit.orders.dsl import (
    BOTH_LINES,
    BOTH_TERMS,
    CAPTURED_LATER,
    COMMITTED,
    DELIVERED,
    PAID,
    SHIPPED,
    given,
    gone,
    held,
    lines,
    state,
    then,
    then_refused,
    when,
)


def test_an_order_that_is_captured_at_shipping_is_placed_with_what_is_to_be_shipped() -> None:
    given(*CAPTURED_LATER[:-1])
    when(CAPTURED_LATER[-1])
    then(OrderPlaced(amount_minor=1000, terms=CAPTURE_AT_SHIPPING, lines=BOTH_LINES))


def test_under_both_terms_an_order_is_placed_with_the_lines_that_are_there() -> None:
    given(
        held(1, "MUG", line_count=2, terms=BOTH_TERMS),
        gone(2, "HAT", line_count=2, terms=BOTH_TERMS),
        PaymentAuthorized(),
    )
    when(LineCommitted(line=1))
    then(OrderPlaced(amount_minor=500, terms=BOTH_TERMS, lines=(OrderedLine(1, "MUG", 1, 500),)))


@pytest.mark.parametrize(
    "word_of_money",
    [PaymentCaptured(reference="parcel-1"), PaymentCaptureFailed(reference="parcel-1"), PaymentAuthorized()],
    ids=lambda word: type(word).__name__,
)
def test_what_is_captured_for_a_shipment_is_fulfilments_business(word_of_money: Any) -> None:
    given(*CAPTURED_LATER)
    when(word_of_money)
    then()
    given(*CAPTURED_LATER, word_of_money)
    assert state() == "placed"


@pytest.mark.parametrize("history", [CAPTURED_LATER, PAID, SHIPPED, DELIVERED])
def test_a_line_that_somebody_returned_is_fulfilments_business_once_it_has_the_order(history: tuple[Any, ...]) -> None:
    given(*history)
    when(LineReturned(line=1))
    then()
    given(*history, LineReturned(line=1))
    assert lines()[1] is LineState.RETURNED


# --- fulfilment moves the order -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("history", [PAID, CAPTURED_LATER], ids=["paid", "captured later"])
def test_an_order_is_in_the_state_that_fulfilment_reports_of_its_goods(history: tuple[Any, ...]) -> None:
    given(*history, OrderShipped())
    assert state() == "shipped"
    given(*history, OrderShipped(), OrderDelivered())
    assert state() == "delivered"
    given(*history, OrderShipped(), OrderDelivered(), OrderReturned())
    assert state() == "returned"
    given(*history, OrderShipped(), OrderReturned())
    assert state() == "returned", "it came back without having been delivered"


def test_an_echo_of_fulfilments_word_does_not_move_an_order_back() -> None:
    given(*PAID, OrderShipped(), OrderDelivered(), OrderShipped())
    assert state() == "delivered"
    given(*PAID, OrderShipped(), OrderDelivered(), OrderReturned(), OrderDelivered(), OrderShipped())
    assert state() == "returned"


@pytest.mark.parametrize("word_of_goods", [OrderShipped, OrderDelivered, OrderReturned])
def test_nothing_is_shipped_of_an_order_whose_money_is_still_to_be_captured(word_of_goods: Any) -> None:
    given(*COMMITTED)
    when(word_of_goods())
    then_refused("unexpected")
