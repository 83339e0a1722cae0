"""An order whose lines are not all answered is given up in the end, by a command on the log, and holds nothing then."""

from __future__ import annotations

from typing import Any, Final

import pytest

from consumers.orders.room import OrdersRoom
from consumers.orders.state import Order
from consumers.runtime.deciding.now import Deadlines
from consumers.runtime.order_keyed import OrderKeyedState
from schemas import messages as m
from schemas.limits import GATHER_MS, MAX_HOLD_SECONDS
from schemas.terms import SHIP_AVAILABLE
from tests.given_when_then import (
    NOW_MS,
    A,
    B,
    C,
    CancelOrder,
    EndWaits,
    LineExpired,
    LineRejected,
    LineReserved,
    OrderRejected,
    ReleaseLine,
)
from tests.unit.orders.dsl import AUTHORIZED, COMMITTED, PAID, RESERVED
from topology.states import OrderState

Book = OrderKeyedState[Order]
ROOM: Final = OrdersRoom()
WHY: Final = "not_complete_in_time"
NO_MUG: Final = LineRejected(
    line=1, line_count=3, sku="MUG", demand=1, reason="insufficient_stock", terms=SHIP_AVAILABLE
)
TEE: Final = LineReserved(line=2, line_count=3, sku="TEE", terms=SHIP_AVAILABLE)
END_MS: Final = NOW_MS + GATHER_MS


def book_of(*facts: Any, at_ms: int = NOW_MS) -> Book:
    book = Book(0)
    for fact in facts:
        apply_message(book, fact, at_ms)
    return book


def apply_message(book: Book, message: m.Message, at_ms: int) -> list[Any]:
    return list(ROOM.decide(book, message, at_ms))


def end_waits(book: Book, at_ms: int, **fields: Any) -> list[m.Message]:
    return apply_message(book, EndWaits(**{"as_of_ms": at_ms, **fields}), at_ms)


def test_an_order_whose_last_line_never_comes_ends_when_its_time_is_over() -> None:
    book = book_of(NO_MUG)
    assert end_waits(book, END_MS - 1) == []
    assert end_waits(book, END_MS) == [OrderRejected(reason=WHY)]
    assert book.by_order[A].state is OrderState.REJECTED
    assert book.by_order[A].reason == WHY
    assert end_waits(book, END_MS) == [], "it ends once"


def test_what_is_held_for_an_order_that_is_given_up_goes_back() -> None:
    book = book_of(NO_MUG, TEE)
    assert end_waits(book, END_MS) == [OrderRejected(reason=WHY), ReleaseLine(line=2, sku="TEE", reason=WHY)]


def test_a_line_that_is_reserved_after_the_end_is_released() -> None:
    book = book_of(NO_MUG)
    end_waits(book, END_MS)
    late = [ReleaseLine(line=2, sku="TEE", reason="order_over")]
    assert apply_message(book, TEE, END_MS) == late
    assert apply_message(book, TEE, END_MS) == [], "and once"


def test_no_hold_is_cut_off_for_each_word_about_an_order_puts_its_end_off_beyond_the_longest_hold() -> None:
    book = book_of(NO_MUG)
    late_ms = END_MS - 1
    apply_message(book, TEE, late_ms)
    hold_ends_ms = late_ms + MAX_HOLD_SECONDS * 1000
    assert end_waits(book, hold_ends_ms) == []
    assert apply_message(book, LineExpired(line=2, sku="TEE"), hold_ends_ms) == [OrderRejected(reason="incomplete")]
    assert end_waits(book, late_ms + GATHER_MS) == []


@pytest.mark.parametrize(
    "history",
    [
        RESERVED,
        AUTHORIZED,
        COMMITTED,
        PAID,
        (NO_MUG, CancelOrder()),
        (TEE, LineExpired(line=2, sku="TEE")),
        (LineReserved(line_count=1),),
    ],
    ids=["reserved", "committing", "placed", "paid", "cancelled", "rejected", "reserved at once"],
)
def test_an_order_that_waits_for_no_line_is_left_alone(history: tuple[Any, ...]) -> None:
    book = book_of(*history)
    assert book.by_order[A].deadline_ms is None
    assert end_waits(book, END_MS * 2) == []


@pytest.mark.parametrize("room", ["payments", "fulfilment", ""])
def test_the_waits_of_other_rooms_are_not_ours(room: str) -> None:
    assert end_waits(book_of(NO_MUG), END_MS, room=room) == []


def test_the_logs_time_ends_a_wait_and_not_a_clock_that_runs_ahead_of_it() -> None:
    book = book_of(NO_MUG)
    assert ROOM.reminder(book, END_MS - 1) is None
    assert ROOM.reminder(book, END_MS) == EndWaits(as_of_ms=END_MS, limit=ROOM.ends_per_command)
    assert apply_message(book, EndWaits(as_of_ms=END_MS), END_MS - 1) == []
    book.waits.answered()
    assert ROOM.reminder(book, END_MS) is not None
    assert apply_message(book, EndWaits(as_of_ms=END_MS), END_MS) == [OrderRejected(reason=WHY)]


def test_one_command_ends_so_many_waits_in_the_order_in_which_they_end() -> None:
    book = Book(0)
    for late_ms, order_id in ((1, A), (0, C), (0, B)):
        apply_message(
            book,
            LineRejected(order_id=order_id, line_count=2, demand=1, reason="insufficient_stock", terms=SHIP_AVAILABLE),
            NOW_MS + late_ms,
        )
    ended = [[message.order_id for message in end_waits(book, END_MS + 1, limit=limit)] for limit in (-1, 2, 9)]  # type: ignore[attr-defined]
    assert ended == [[], [B, C], [A]]


def test_a_room_may_wait_for_less() -> None:
    room, book = OrdersRoom(deadlines=Deadlines(gather_ms=7)), Book(0)
    list(room.decide(book, NO_MUG, NOW_MS))
    assert list(room.decide(book, EndWaits(as_of_ms=NOW_MS + 6), NOW_MS + 6)) == []
    assert list(room.decide(book, EndWaits(as_of_ms=NOW_MS + 7), NOW_MS + 7)) == [OrderRejected(reason=WHY)]
