"""A busy room pauses between its fetches, the longer the less of a core it gets; an idle room takes what is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.kafka import fetch_pacing
from consumers.runtime.kafka.fetch_connection import Pause
from consumers.runtime.kafka.fetch_pacing import (
    AT_REST,
    BUSY,
    IDLE_SHARE,
    MOST_SECONDS,
    USUAL_SECONDS,
    WINDOW_SECONDS,
    FetchPacing,
    pause_for,
    run_delay_seconds,
)

BYTES = 1_000


@given(st.floats(0, 64), st.floats(0, 64))
def test_the_pause_is_bounded_and_grows_as_cores_are_lacking(busy: float, delayed: float) -> None:
    less, more = pause_for(busy, delayed, BYTES), pause_for(busy, delayed * 1.5, BYTES)
    assert less.seconds <= more.seconds <= MOST_SECONDS
    assert less.enough_bytes == more.enough_bytes == BYTES
    if busy >= IDLE_SHARE:
        assert less.seconds >= USUAL_SECONDS


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_little_more_to_do_makes_the_pause_a_little_longer(busy: float, other: float) -> None:
    """A step between idle and busy would have a room go to and fro between them."""
    difference = abs(pause_for(busy, 0.0, BYTES).seconds - pause_for(other, 0.0, BYTES).seconds)
    assert difference <= USUAL_SECONDS / IDLE_SHARE * abs(busy - other) + 1e-12


def test_who_has_nothing_to_do_takes_what_is_there() -> None:
    assert pause_for(0.0, 0.0, BYTES).seconds == 0
    assert pause_for(1.0, 1.0, BYTES) == Pause(MOST_SECONDS, BYTES)


class Consumer:
    _fetcher = type("Fetcher", (), {"_client": type("Client", (), {})})


def test_a_window_is_judged_by_how_little_was_waited_in_it() -> None:
    now = delay = 0.0
    gathering = FetchPacing(BYTES, lambda: now, lambda: delay)
    pauses, waits = [], []
    for busy, waited in [(0.0, WINDOW_SECONDS), (WINDOW_SECONDS, 0.0), (0.0, WINDOW_SECONDS), (0.0, 0.0)]:
        now += busy
        delay += busy / 2
        with gathering.reading(Consumer):
            pauses.append(gathering.pause)
            assert Consumer._fetcher._client.pause == gathering.pause  # type: ignore[attr-defined]
            wait = (Consumer._fetcher._fetch_max_wait_ms, Consumer._fetcher._fetch_min_bytes)  # type: ignore[attr-defined]
            waits.append(wait)
            now += waited
    busy_pause = pause_for(0.5, 0.25, BYTES)
    assert pauses == [Pause(), busy_pause, busy_pause, pause_for(0.0, 0.0, BYTES)]
    assert waits == [AT_REST, BUSY, BUSY, AT_REST]


def test_the_time_without_a_core_never_steps_back() -> None:
    before = run_delay_seconds()
    assert 0 <= before <= run_delay_seconds()


def test_a_kernel_that_does_not_tell_it_makes_no_pause_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_pacing, "SCHEDSTAT", tmp_path / "absent")
    assert run_delay_seconds() == 0
