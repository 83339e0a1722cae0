"""How long to wait before a step is repeated."""

from __future__ import annotations

import msgspec

_MAX_DOUBLINGS = 32


class Backoff(msgspec.Struct, frozen=True):
    """How long to wait before asking again: up to `base_seconds`, doubling with each failure up to `cap_seconds`."""

    base_seconds: float = 0.05
    cap_seconds: float = 20.0

    def ceiling_seconds(self, failures: int) -> float:
        """Return the longest wait after so many failures in a row, the first being 1."""
        return min(self.cap_seconds, self.base_seconds * 2.0 ** min(failures - 1, _MAX_DOUBLINGS))
