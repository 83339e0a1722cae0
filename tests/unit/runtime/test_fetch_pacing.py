"""The broker gathers the longer, the busier the room is; an idle room takes what is there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.kafka.fetch_pacing import (
    IDLE_SHARE,
    LEAST_MS,
    MOST_MS,
    REST_SECONDS,
    WINDOW_SECONDS,
    FetchPacing,
    Wait,
    wait_for,
)

BYTES = 1_000
IDLE = Wait(round(REST_SECONDS * 1000), 1)


@given(st.floats(0, 64))
def test_the_wait_is_bounded_and_grows_with_the_work(share: float) -> None:
    less, more = wait_for(share, BYTES), wait_for(share * 1.5, BYTES)
    if share < IDLE_SHARE:
        assert less == IDLE
    else:
        assert LEAST_MS <= less.most_ms <= more.most_ms <= MOST_MS
        assert less.least_bytes == more.least_bytes == BYTES


def test_who_has_little_to_do_takes_what_is_there() -> None:
    assert wait_for(0.0, BYTES) == IDLE
    assert wait_for(1.0, BYTES) == Wait(MOST_MS, BYTES)


class Consumer:
    _fetcher = type("Fetcher", (), {})


def test_a_window_is_judged_by_how_little_was_waited_in_it() -> None:
    now = 0.0
    gathering = FetchPacing(BYTES, lambda: now)
    waits = []
    for busy, waited in [(0.0, WINDOW_SECONDS), (WINDOW_SECONDS, 0.0), (0.0, WINDOW_SECONDS), (0.0, 0.0)]:
        now += busy
        with gathering.reading(Consumer):
            waits.append(gathering.wait)
            now += waited
    assert waits == [IDLE, Wait(MOST_MS, BYTES), Wait(MOST_MS, BYTES), IDLE]
    assert (Consumer._fetcher._fetch_max_wait_ms, Consumer._fetcher._fetch_min_bytes) == IDLE  # type: ignore[attr-defined]
