"""A room pauses the longer between its fetches, the busier it is; an idle room takes what is there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.kafka.fetch_connection import Pause
from consumers.runtime.kafka.fetch_pacing import (
    AT_REST,
    IDLE_SHARE,
    LEAST_SECONDS,
    MOST_SECONDS,
    WINDOW_SECONDS,
    FetchPacing,
    pause_for,
)

BYTES = 1_000


@given(st.floats(0, 64))
def test_the_pause_is_bounded_and_grows_with_the_work(share: float) -> None:
    less, more = pause_for(share, BYTES), pause_for(share * 1.5, BYTES)
    if share < IDLE_SHARE:
        assert less == Pause()
    else:
        assert LEAST_SECONDS <= less.seconds <= more.seconds <= MOST_SECONDS
        assert less.enough_bytes == more.enough_bytes == BYTES


def test_who_has_little_to_do_takes_what_is_there() -> None:
    assert pause_for(0.0, BYTES) == Pause()
    assert pause_for(1.0, BYTES) == Pause(MOST_SECONDS, BYTES)


class Consumer:
    _fetcher = type("Fetcher", (), {"_client": type("Client", (), {})})


def test_a_window_is_judged_by_how_little_was_waited_in_it() -> None:
    now = 0.0
    gathering = FetchPacing(BYTES, lambda: now)
    pauses = []
    for busy, waited in [(0.0, WINDOW_SECONDS), (WINDOW_SECONDS, 0.0), (0.0, WINDOW_SECONDS), (0.0, 0.0)]:
        now += busy
        with gathering.reading(Consumer):
            pauses.append(gathering.pause)
            assert Consumer._fetcher._client.pause == gathering.pause  # type: ignore[attr-defined]
            now += waited
    half = pause_for(0.5, BYTES)
    assert pauses == [Pause(), half, half, Pause()]
    assert (Consumer._fetcher._fetch_max_wait_ms, Consumer._fetcher._fetch_min_bytes) == AT_REST  # type: ignore[attr-defined]
