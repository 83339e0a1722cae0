"""One partition at one moment: position, lag and time lag, clamped, with what is odd about them. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from consumers.lag.model import Claimed, Flag, LogRange, Waiting

CLOCK_TOLERANCE_MS: Final = 1_000


class Measured(NamedTuple):
    """A position within its log. `lag` is in offsets; `time_lag_ms` is None where the first waiting record is unknown."""

    position: int
    lag: int
    time_lag_ms: int | None
    waits: bool
    """Whether a record waits that a reader of committed records would get."""
    flags: tuple[Flag, ...]


def measure(log: LogRange, position: int, waiting: Waiting | None, now_ms: int) -> Measured:
    """Clamp a position to its log and return how far behind it is.

    A position before the start counts from the start, as a reader would go on there (redpanda#30624); one past the end
    has no lag (kafka_exporter#437, #169). Time lag is the age of the first waiting record, so it neither grows while a
    group catches up (kafka-lag-exporter#121) nor ends at the length of a window (klag#30).
    """
    flags: list[Flag] = []
    if position < log.start:
        flags.append(Flag.RECORDS_LOST)
    if position > log.end:
        flags.append(Flag.BEYOND_END)
    lag = max(0, log.end - max(position, log.start))
    waits = lag > 0
    if waits and log.last_stable is not None and position >= log.last_stable:
        flags.append(Flag.OPEN_TRANSACTION)
        waits = False
    if waits and waiting is not None and waiting.at_ms is None:
        flags.append(Flag.NOTHING_TO_READ)
        waits = False
    return Measured(position, lag, _time_lag(waiting, now_ms, flags) if waits else 0, waits, tuple(flags))


def _time_lag(waiting: Waiting | None, now_ms: int, flags: list[Flag]) -> int | None:
    if waiting is None or waiting.at_ms is None or waiting.at_ms <= 0:  # a producer may send no timestamp: not 1970
        return None
    if waiting.at_ms > now_ms + CLOCK_TOLERANCE_MS:
        flags.append(Flag.CLOCKS_DIFFER)
    return max(0, now_ms - waiting.at_ms)


def position_of(committed: int | None, claimed: Claimed | None, *, first: int | None) -> int | None:
    """Return the position that counts; None where there is none.

    `first` is where a room of ours begins that has claimed nothing yet: the log's start. Of a foreign group only what it
    has committed counts.
    """
    if claimed is not None:
        return claimed.position
    return first if first is not None else committed
