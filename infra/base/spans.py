"""Times for people: moments and lengths."""

from __future__ import annotations

from datetime import UTC, datetime


def age(milliseconds: float | None) -> str:
    """Return a length of time in its largest unit; - where it is not known."""
    if milliseconds is None:
        return "-"
    seconds = milliseconds / 1000
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def moment(at_ms: int) -> str:
    """Return a moment (ms since the epoch) as UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
