"""The last minute of one partition of a group, and the verdict over it. Pure.

The rules follow Burrow's (linkedin/Burrow, wiki "Consumer Lag Evaluation Rules"), with two differences: whether anything
waits is judged by records and not by offsets, and a partition that has had no owner for half a minute is STOP, not STALL.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from consumers.lag.model import Verdict

WINDOW_MS: Final = 60_000
STALL_MS: Final = 10_000
"""A position that stands still for so long while records wait has stalled."""
OWNED_LATELY_MS: Final = 30_000
"""Who had a partition so lately may have it again at once: until then its standing still is a stall, not a stop."""
GROWTH_MS: Final = 30_000
"""Lag that only grows for so long is worth a warning."""
_LEAST_SAMPLES: Final = 6


class Sample(NamedTuple):
    """One look at the partition. `moved_at_ms` is when its position last moved, where that is stored; 0: never yet."""

    at_ms: int
    position: int
    end: int
    lag: int
    waits: bool
    waits_since_ms: int | None
    """Timestamp of the first waiting record."""
    owned: bool
    moved_at_ms: int | None = None
    paused: bool = False


class Rates(NamedTuple):
    """Offsets a second over the window: written to the log, and passed by the group."""

    written: float
    passed: float


class Window:
    """The samples of the last minute, oldest first, and what was noticed while they came in."""

    __slots__ = ("_back_ms", "_paused_at_ms", "_samples", "_unmoved_since_ms", "_why_back")

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()
        self._unmoved_since_ms = 0
        self._paused_at_ms = 0
        self._back_ms: int | None = None
        self._why_back = ""

    def add(self, sample: Sample) -> None:
        """Take the next sample; what is older than the window is dropped."""
        samples = self._samples
        if sample.paused:
            self._paused_at_ms = sample.at_ms
        if not samples or not samples[-1].waits or samples[-1].position != sample.position:
            self._unmoved_since_ms = sample.at_ms
        if samples and sample.position < samples[-1].position:
            self._back_ms = sample.at_ms
            self._why_back = f"went back from {samples[-1].position} to {sample.position}"
        samples.append(sample)
        while samples[0].at_ms < sample.at_ms - WINDOW_MS:
            samples.popleft()

    def rates(self) -> Rates | None:
        """Return the rates; None of fewer than two samples."""
        first, last = self._samples[0], self._samples[-1]
        seconds = (last.at_ms - first.at_ms) / 1000
        if seconds <= 0:
            return None
        return Rates(max(0, last.end - first.end) / seconds, max(0, last.position - first.position) / seconds)

    def verdict(self) -> tuple[Verdict, str]:
        """Judge the window; return the verdict and its reason ("" for OK). Needs a sample that is not paused."""
        last = self._samples[-1]
        if self._back_ms is not None and self._back_ms >= last.at_ms - WINDOW_MS:
            return Verdict.REWIND, self._why_back
        if not last.waits:
            return Verdict.OK, ""
        unmoved_ms = last.at_ms - self._records_wait_since(last)
        if unmoved_ms >= STALL_MS:
            if self._was_owned_lately(last):
                return Verdict.STALL, f"stands at {last.position} for {unmoved_ms / 1000:.0f} s while records wait"
            return Verdict.STOP, f"nobody has it; records wait at {last.position} for {unmoved_ms / 1000:.0f} s"
        if self._only_grows():
            return Verdict.WARN, f"it moves, but its lag only grows, to {last.lag}"
        return Verdict.OK, ""

    def _records_wait_since(self, last: Sample) -> int:
        """Return since when records wait at this position, as far as is known.

        One look is enough where the move and the waiting record have times of their own. While it was paused it had to stand.
        """
        return max(self._paused_at_ms, self._position_held_since(last))

    def _position_held_since(self, last: Sample) -> int:
        if last.moved_at_ms is None or last.waits_since_ms is None:
            return self._unmoved_since_ms
        return min(self._unmoved_since_ms, max(last.moved_at_ms, last.waits_since_ms))

    def _was_owned_lately(self, last: Sample) -> bool:
        since_ms = last.at_ms - OWNED_LATELY_MS
        if last.moved_at_ms is not None and last.moved_at_ms >= since_ms:
            return True
        return any(sample.owned for sample in self._samples if sample.at_ms >= since_ms)

    def _only_grows(self) -> bool:
        samples = self._samples
        if len(samples) < _LEAST_SAMPLES or samples[-1].at_ms - samples[0].at_ms < GROWTH_MS:
            return False
        lags = [sample.lag for sample in samples if sample.waits]
        third = len(samples) // 3
        return len(lags) == len(samples) and min(lags[-third:]) > max(lags[:third])
