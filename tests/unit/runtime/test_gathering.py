"""The broker gathers the longer, the busier the room is; an idle room takes what is there."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.gathering import IDLE_SHARE, LEAST_MS, MOST_MS, WINDOW_SECONDS, Gathering, Wait, wait_for

BYTES = 1_000
IDLE = Wait(LEAST_MS, 1)


def from_list(seconds: list[float]) -> Callable[[], float]:
    readings = iter(seconds)
    return lambda: next(readings)


@given(st.floats(0, 64))
def test_the_wait_is_bounded_and_grows_with_the_work(share: float) -> None:
    less, more = wait_for(share, BYTES), wait_for(share * 1.5, BYTES)
    assert LEAST_MS <= less.most_ms <= more.most_ms <= MOST_MS
    assert less.least_bytes == (1 if share < IDLE_SHARE else BYTES)


def test_who_has_little_to_do_takes_what_is_there() -> None:
    assert wait_for(0.0, BYTES) == IDLE
    assert wait_for(1.0, BYTES) == Wait(MOST_MS, BYTES)


def test_a_window_is_judged_by_the_work_in_it() -> None:
    cpu = [0.0, 0.9 * WINDOW_SECONDS, WINDOW_SECONDS, WINDOW_SECONDS]
    clock = [0.0, 0.9 * WINDOW_SECONDS, WINDOW_SECONDS, 2 * WINDOW_SECONDS]
    gathering = Gathering(BYTES, from_list(cpu), from_list(clock))
    assert [gathering.wait() for _ in range(3)] == [IDLE, Wait(MOST_MS, BYTES), IDLE]
