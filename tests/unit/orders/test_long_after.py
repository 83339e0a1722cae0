"""Long after its window an order that is closed is answered as one that was dropped: as one that was never heard of."""

from typing import Any

import pytest

from consumers.errors import RefusedError
from consumers.orders.room import OrdersRoom
from consumers.orders.state import Order
from consumers.orders.transitions import TRANSITIONS
from consumers.runtime.order_keyed import OrderKeyedState
from schemas import messages as m
from schemas.ids import order_id_ms
from schemas.limits import ORDER_ID_WINDOW_MS, SETTLING_MS
from tests.given_when_then import NOW_MS, A, CancelOrder, LineRejected, OrderCommandRefused, word
from tests.unit.orders.dsl import (
    AUTHORIZED,
    CANCELLED,
    CAPTURED_LATER,
    DELIVERED,
    PAID,
    REJECTED,
    RETURNED,
    SHIPPED,
)
from topology.states import OrderState

Book = OrderKeyedState[Order]
FACTS = sorted({*TRANSITIONS[OrderState.UNKNOWN]} - {m.EndWaits}, key=lambda fact: fact.__name__)
EDGE_MS = order_id_ms(A) + ORDER_ID_WINDOW_MS + SETTLING_MS
"""The last moment at which an order that is closed, or not known, is answered by its state."""
CLOSED = (REJECTED, CANCELLED, DELIVERED, RETURNED)
REFUSAL = OrderCommandRefused(command="CancelOrder", reference="", reason="order_id_outside_window")


def book_of(*facts: Any) -> Book:
    book = Book(0)
    for fact in facts:
        list(OrdersRoom().decide(book, fact, NOW_MS))
    return book


def answer(book: Book, fact: m.Message, at_ms: int) -> Any:
    try:
        return list(OrdersRoom().decide(book, fact, at_ms))
    except RefusedError as refusal:
        return refusal.reason


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_what_is_closed_and_what_is_unknown_are_one_once_the_window_is_over(fact: type[m.Message]) -> None:
    answers = [answer(book_of(*story), word(fact)(), EDGE_MS + 1) for story in ((), *CLOSED)]
    assert all(each == answers[0] for each in answers)
    assert answers[0] in ([], "order_id_outside_window", [REFUSAL])


def test_a_cancellation_of_an_order_of_long_ago_is_refused_with_the_reason() -> None:
    assert answer(book_of(), CancelOrder(), EDGE_MS + 1) == [REFUSAL]
    assert answer(book_of(*PAID), CancelOrder(), EDGE_MS + 1) != [REFUSAL]


def test_a_new_order_outside_the_window_leaves_no_row() -> None:
    book = book_of()
    assert answer(book, LineRejected(reason="order_id_outside_window"), EDGE_MS + 1) == []
    assert not book.by_order
    assert answer(book, LineRejected(reason="order_id_outside_window"), EDGE_MS) != []


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
@pytest.mark.parametrize("history", [AUTHORIZED, CAPTURED_LATER, PAID, SHIPPED])
def test_an_order_at_work_goes_on_however_old_it_is(fact: type[m.Message], history: tuple[Any, ...]) -> None:
    late, in_time = (answer(book_of(*history), word(fact)(), at_ms) for at_ms in (EDGE_MS + 1, NOW_MS))
    assert late == in_time
