"""When owners ask for an end of what is over: never too late, whatever the clocks say, and not again and again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.deciding.deadlines import REMIND_AGAIN_MS, DeadlineIndex, DeadlineTimer
from tests.given_when_then import NOW_MS, A, B, C


def waits(**ends_ms: int | None) -> DeadlineIndex:
    index = DeadlineIndex()
    for order_id, end_ms in ends_ms.items():
        index.put(order_id, end_ms)
    return index


def test_where_nothing_waits_nothing_rings() -> None:
    assert not DeadlineTimer().due(NOW_MS)


def test_the_timer_is_due_for_the_first_that_ends_in_whatever_order_they_are_put() -> None:
    timer = DeadlineTimer()
    for end_ms in (NOW_MS + 2, NOW_MS, NOW_MS + 1):
        timer.expect(end_ms)
    assert not timer.due(NOW_MS - 1)
    assert timer.due(NOW_MS)


def test_it_rings_again_when_the_log_had_time_to_answer_or_has_answered() -> None:
    timer = DeadlineTimer()
    timer.expect(NOW_MS)
    assert timer.due(NOW_MS)
    assert not timer.due(NOW_MS + REMIND_AGAIN_MS - 1)
    assert timer.due(NOW_MS + REMIND_AGAIN_MS)
    timer.answered()
    assert timer.due(NOW_MS + REMIND_AGAIN_MS)


@given(st.lists(st.integers(0, 20_000), max_size=4), st.integers(0, 20_000))
def test_it_rings_at_the_moment_that_it_names_and_not_before(ends_ms: list[int], asked_ms: int) -> None:
    timer = DeadlineTimer()
    for end_ms in ends_ms:
        timer.expect(NOW_MS + end_ms)
    timer.due(NOW_MS + asked_ms)
    next_ms = timer.next_ms()
    assert (next_ms is None) == (not ends_ms)
    if next_ms is not None:
        assert not timer.due(next_ms - 1)
        assert timer.due(next_ms)


def test_waits_are_due_in_the_order_of_the_tables_and_only_so_many() -> None:
    index = waits(**{C: NOW_MS - 1, B: NOW_MS, A: NOW_MS, "later": NOW_MS + 1})
    assert index.overdue(NOW_MS, 10) == [C, A, B]
    assert index.overdue(NOW_MS, 2) == [C, A]
    assert index.overdue(NOW_MS, 10) == [C, A, B], "who asks changes nothing"


def test_a_wait_that_is_put_off_or_ended_is_not_due() -> None:
    index = waits(**{A: NOW_MS, B: NOW_MS, C: None})
    index.put(A, NOW_MS + 1)
    index.put(B, None)
    index.put(B, None)
    assert index.overdue(NOW_MS, 10) == []
    assert index.overdue(NOW_MS + 1, 10) == [A]


def test_what_was_over_and_has_not_ended_is_asked_for_again() -> None:
    index = waits(**{A: NOW_MS})
    index.earliest_ms = None  # as the tables say where all that was over by the command has ended
    index.expect_what_is_left(NOW_MS - 1)
    assert not index.due(NOW_MS)
    index.expect_what_is_left(NOW_MS)
    assert index.due(NOW_MS)


def test_a_memory_that_was_emptied_still_knows_when_to_ask() -> None:
    index = waits(**{A: NOW_MS})
    index.forget()
    assert index.overdue(NOW_MS, 10) == []
    assert index.due(NOW_MS)
