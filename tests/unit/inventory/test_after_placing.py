from collections.abc import Callable, Sequence
from typing import Any

import pytest

from schemas.ids import order_id_ms
from schemas.limits import ORDER_ID_AHEAD_MS, ORDER_ID_WINDOW_MS
from tests.given_when_then import (
    HOLD_SECONDS,
    NOW_MS,
    A,
    B,
    C,
    CommitLine,
    ExpireHolds,
    LineCommandRefused,
    LineCommitFailed,
    LineCommitted,
    LineExpired,
    LineRejected,
    LineReleased,
    LineReserved,
    LineReturned,
    LineShipped,
    PlaceOrderLine,
    ReleaseLine,
    ReturnLine,
    ShipLine,
)
from tests.unit.inventory.dsl import given, stock, then, then_refused, when

LATER_MS = NOW_MS + 10_000


# --- release ------------------------------------------------------------------------------------------------------------


def test_a_held_line_is_released_once_asked_with_the_reason() -> None:
    given(stock(on_hand=3), LineReserved(quantity=2))
    when(ReleaseLine(reason="payment_declined"))
    then(LineReleased(quantity=2, reason="payment_declined"))


@pytest.mark.parametrize(
    "ends",
    [(LineReleased(),), (LineExpired(),), (LineCommitted(), LineReturned())],
    ids=["released", "expired", "returned"],
)
def test_releasing_what_is_held_no_longer_changes_nothing(ends: tuple[object, ...]) -> None:
    given(stock(on_hand=1), LineReserved(), *ends)
    when(ReleaseLine())
    then()


def test_a_committed_line_is_not_released() -> None:
    given(stock(on_hand=1), LineReserved(), LineCommitted())
    when(ReleaseLine())
    then(LineCommandRefused(command="ReleaseLine", reason="already_committed"))


# --- commit -------------------------------------------------------------------------------------------------------------


def test_a_held_line_is_committed_whole() -> None:
    given(stock(on_hand=2), LineReserved(quantity=2))
    when(CommitLine())
    then(LineCommitted(quantity=2))


def test_a_late_commit_takes_the_stock_again_where_it_is_still_there() -> None:
    given(stock(on_hand=2), LineReserved(quantity=2), LineExpired(quantity=2))
    when(CommitLine(), at_ms=LATER_MS)
    then(LineCommitted(quantity=2))


def test_a_late_commit_finds_the_stock_gone() -> None:
    given(
        stock(on_hand=2),
        LineReserved(order_id=A, quantity=2),
        LineExpired(order_id=A, quantity=2),
        LineReserved(order_id=B, quantity=1),
    )
    when(CommitLine(order_id=A))
    then(LineCommitFailed(order_id=A, quantity=2, available=1, reason="insufficient_stock"))


def test_a_second_commit_changes_nothing() -> None:
    given(stock(on_hand=1), LineReserved(), LineCommitted())
    when(CommitLine())
    then()


def test_a_released_line_is_not_committed_even_where_there_is_stock() -> None:
    given(stock(on_hand=9), LineReserved(), LineReleased())
    when(CommitLine())
    then(LineCommitFailed(quantity=1, available=9, reason="hold_released"))


def test_a_returned_line_is_not_committed_again() -> None:
    given(stock(on_hand=9), LineReserved(), LineCommitted(), LineReturned())
    when(CommitLine())
    then(LineCommitFailed(quantity=1, available=9, reason="hold_returned"))


def test_a_line_that_was_never_held_is_not_committed() -> None:
    given(stock(on_hand=9))
    when(CommitLine())
    then(LineCommitFailed(quantity=0, available=0, reason="unknown_hold"))


# --- return -------------------------------------------------------------------------------------------------------------


def test_a_committed_line_is_returned_with_the_reason() -> None:
    given(stock(on_hand=2), LineReserved(quantity=2), LineCommitted(quantity=2))
    when(ReturnLine(reason="capture_failed"))
    then(LineReturned(quantity=2, reason="capture_failed"))


def test_a_second_return_is_refused_because_the_line_is_back() -> None:
    given(stock(on_hand=1), LineReserved(), LineCommitted(), LineReturned())
    when(ReturnLine())
    then(LineCommandRefused(command="ReturnLine", reason="already_returned"))


@pytest.mark.parametrize("ends", [(), (LineReleased(),), (LineExpired(),)], ids=["held", "released", "expired"])
def test_what_was_not_committed_cannot_be_returned(ends: tuple[object, ...]) -> None:
    given(stock(on_hand=1), LineReserved(), *ends)
    when(ReturnLine())
    then(LineCommandRefused(command="ReturnLine", reason="not_committed"))


@pytest.mark.parametrize("command", [ReleaseLine, ReturnLine], ids=["ReleaseLine", "ReturnLine"])
def test_a_command_about_a_line_that_was_never_held_is_refused(command: Callable[..., Any]) -> None:
    given(stock("MUG", on_hand=1), stock("TEE", on_hand=1), LineReserved(line=1, sku="MUG"))
    for stranger in ({"line": 2}, {"sku": "TEE"}, {"order_id": B}):
        asked = command(**stranger)
        when(asked)
        then(
            LineCommandRefused(
                order_id=asked.order_id,
                line=asked.line,
                sku=asked.sku,
                command=type(asked).__name__,
                reason="unknown_hold",
            )
        )


@pytest.mark.parametrize("command", [ReleaseLine, CommitLine, ReturnLine])
def test_a_command_about_an_order_id_that_is_none_is_refused(command: Callable[..., Any]) -> None:
    given()
    when(command(order_id="order 66"))
    then_refused("invalid_order_id")


# --- expire -------------------------------------------------------------------------------------------------------------


def held_until(order_id: str, expires_at_ms: int, line: int = 1) -> Any:
    return LineReserved(order_id=order_id, line=line, line_count=2, expires_at_ms=expires_at_ms)


def test_a_hold_ends_in_the_millisecond_in_which_its_time_is_over() -> None:
    given(stock(on_hand=2), held_until(A, LATER_MS), held_until(B, LATER_MS + 1))
    when(ExpireHolds(as_of_ms=LATER_MS), at_ms=LATER_MS + 9)
    then(LineExpired(order_id=A))


def test_no_hold_ends_before_its_time_whatever_the_asker_believes_the_time_to_be() -> None:
    given(stock(on_hand=1), held_until(A, LATER_MS))
    when(ExpireHolds(as_of_ms=LATER_MS + 1_000_000), at_ms=LATER_MS - 1)
    then()


def test_holds_end_in_the_order_of_time_then_order_then_line() -> None:
    given(
        stock(on_hand=9),
        held_until(C, LATER_MS - 1),
        held_until(B, LATER_MS, line=1),
        held_until(A, LATER_MS, line=2),
        held_until(A, LATER_MS, line=1),
    )
    when(ExpireHolds(as_of_ms=LATER_MS), at_ms=LATER_MS)
    then(
        LineExpired(order_id=C),
        LineExpired(order_id=A, line=1),
        LineExpired(order_id=A, line=2),
        LineExpired(order_id=B, line=1),
    )


@pytest.mark.parametrize(("limit", "ended"), [(2, 2), (1, 1), (0, 0), (-5, 0)])
def test_no_more_holds_end_than_were_asked_for(limit: int, ended: int) -> None:
    given(stock(on_hand=3), held_until(A, LATER_MS), held_until(B, LATER_MS), held_until(C, LATER_MS))
    when(ExpireHolds(as_of_ms=LATER_MS, limit=limit), at_ms=LATER_MS)
    then(*[LineExpired(order_id=each) for each in (A, B, C)[:ended]])


def test_one_command_ends_a_thousand_holds_at_most() -> None:
    given(stock(on_hand=2_000), *[LineReserved(line=n, line_count=1_001) for n in range(1, 1_002)])
    when(ExpireHolds(as_of_ms=LATER_MS * 2, limit=5_000), at_ms=LATER_MS * 2)
    then(*[LineExpired(line=n) for n in range(1, 1_001)])


@pytest.mark.parametrize("end", [LineCommitted, LineReleased, LineExpired])
def test_what_is_held_no_longer_does_not_end_again(end: Callable[..., Any]) -> None:
    given(stock(on_hand=1), held_until(A, LATER_MS), end(order_id=A))
    when(ExpireHolds(as_of_ms=LATER_MS), at_ms=LATER_MS)
    then()


# --- the window of order ids --------------------------------------------------------------------------------------------

EDGE_MS = order_id_ms(A) + ORDER_ID_WINDOW_MS
"""The last moment at which the log answers for order A."""


@pytest.mark.parametrize(
    ("at_ms", "reserved"),
    [
        (EDGE_MS, True),
        (EDGE_MS + 1, False),
        (order_id_ms(A) - ORDER_ID_AHEAD_MS, True),
        (order_id_ms(A) - ORDER_ID_AHEAD_MS - 1, False),
    ],
)
def test_an_order_is_accepted_in_exactly_its_window(at_ms: int, reserved: bool) -> None:
    given(stock(on_hand=1))
    when(PlaceOrderLine(order_id=A), at_ms=at_ms)
    if reserved:
        then(LineReserved(expires_at_ms=at_ms + HOLD_SECONDS * 1000))
    else:
        then(LineRejected(demand=1, available=1, reason="order_id_outside_window"))


@pytest.mark.parametrize("command", [ReleaseLine, ShipLine, ReturnLine])
@pytest.mark.parametrize("end", [(LineReleased,), (LineExpired,), (LineCommitted, LineShipped)])
def test_of_a_line_older_than_what_is_kept_nothing_is_decided_once_it_is_over(
    command: Callable[..., Any], end: Sequence[Callable[..., Any]]
) -> None:
    given(stock(on_hand=1), LineReserved(), *(fact() for fact in end))
    when(command(), at_ms=EDGE_MS + 1)
    then(LineCommandRefused(command=type(command()).__name__, reason="order_id_outside_window"))


def test_a_line_that_still_has_its_units_is_shipped_however_old_it_is() -> None:
    given(stock(on_hand=1), LineReserved(), LineCommitted())
    when(ShipLine(), at_ms=EDGE_MS + 1)
    then(LineShipped())


def test_a_commit_that_comes_after_hold_and_window_fails_so_that_its_order_can_end() -> None:
    given(stock(on_hand=1), LineReserved(), LineExpired())
    when(CommitLine(), at_ms=EDGE_MS + 1)
    then(LineCommitFailed(quantity=0, available=0, reason="order_id_outside_window"))
