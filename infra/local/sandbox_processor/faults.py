"""What goes wrong, and when: drawn from a seed and the idempotency key alone, so that a run can be repeated.

A lasting fault (a decline) depends on the key only, so asking again does not help. A transient one (a lost answer)
depends on the attempt too, so asking again does.
"""

from __future__ import annotations

import hashlib
import math
from enum import Enum, auto
from typing import Final, Literal

import msgspec

_DRAW_BYTES: Final = 8
_DRAW_RANGE: Final = float(1 << (8 * _DRAW_BYTES))
_HELD_BACK_SECONDS: Final = 2.0
_WEBHOOK_BACKOFF_SECONDS: Final = 0.1
_LONGEST_WEBHOOK_BACKOFF_SECONDS: Final = 5.0
_MAX_DOUBLINGS: Final = 16


class FaultSettings(msgspec.Struct, frozen=True):
    """How often what goes wrong. Rates are shares of requests, 0 to 1; the three transient ones add up to at most 1."""

    seed: int = 0
    latency_ms: float = 0.0
    latency_distribution: Literal["fixed", "exponential"] = "fixed"
    decline_rate: float = 0.0
    capture_failure_rate: float = 0.0
    requires_action_rate: float = 0.0
    action_decline_rate: float = 0.0
    error_rate: float = 0.0
    timeout_rate: float = 0.0
    timeout_executes_rate: float = 0.5
    lost_answer_rate: float = 0.0
    retry_after_seconds: int = 1
    hang_seconds: float = 60.0
    duplicate_webhook_rate: float = 0.0
    reordered_webhook_rate: float = 0.0


class Fault(Enum):
    """What goes wrong with one request on its way."""

    NONE = auto()
    UNAVAILABLE = auto()
    """503, nothing executed."""
    SILENT_UNEXECUTED = auto()
    """No answer, nothing executed."""
    SILENT_EXECUTED = auto()
    """Executed, no answer."""
    LOST_ANSWER = auto()
    """Executed, then the connection drops."""


class FaultPlan:
    """Draws each request's fate."""

    def __init__(self, settings: FaultSettings) -> None:
        self.settings = settings
        self._transient_rate = settings.error_rate + settings.timeout_rate + settings.lost_answer_rate
        self._attempts: dict[str, int] = {}

    def latency_seconds(self, key: str) -> float:
        """Return how long the request takes; exponential latencies have the configured mean."""
        mean_seconds = self.settings.latency_ms / 1000.0
        if not mean_seconds or self.settings.latency_distribution == "fixed":
            return mean_seconds
        return -mean_seconds * math.log(1.0 - self._draw("latency", key))

    def declines(self, key: str) -> bool:
        """Return whether this authorisation is declined."""
        return self._happens(self.settings.decline_rate, "decline", key)

    def fails_capture(self, key: str) -> bool:
        """Return whether this capture is refused."""
        return self._happens(self.settings.capture_failure_rate, "capture", key)

    def asks_for_action(self, key: str) -> bool:
        """Return whether this authorisation's customer has to confirm it."""
        return self._happens(self.settings.requires_action_rate, "action", key)

    def declines_action(self, key: str) -> bool:
        """Return whether its customer would not, where nobody says so."""
        return self._happens(self.settings.action_decline_rate, "action declined", key)

    def webhook_copies(self, event_id: str) -> int:
        """Return how often an event is sent though it was taken the first time."""
        return 2 if self._happens(self.settings.duplicate_webhook_rate, "duplicate", event_id) else 1

    def webhook_held_back_seconds(self, event_id: str) -> float:
        """Return how long an event is held back, so that later ones overtake it."""
        if not self._happens(self.settings.reordered_webhook_rate, "reordered", event_id):
            return 0.0
        return _HELD_BACK_SECONDS * self._draw("held back", event_id)

    def webhook_backoff_seconds(self, event_id: str, failures: int) -> float:
        """Return the wait before an event is sent again: exponential, with full jitter, capped."""
        ceiling = _WEBHOOK_BACKOFF_SECONDS * 2.0 ** min(failures, _MAX_DOUBLINGS)
        return min(ceiling, _LONGEST_WEBHOOK_BACKOFF_SECONDS) * self._draw(f"backoff {failures}", event_id)

    def next_fault(self, key: str) -> Fault:
        """Return what goes wrong with the next attempt at this key. Attempts are counted since the server started."""
        if not self._transient_rate:
            return Fault.NONE
        attempt = self._attempts[key] = self._attempts.get(key, 0) + 1
        draw = self._draw(f"transient {attempt}", key)
        if draw < self.settings.error_rate:
            return Fault.UNAVAILABLE
        if draw < self.settings.error_rate + self.settings.timeout_rate:
            executes = self._happens(self.settings.timeout_executes_rate, f"executes {attempt}", key)
            return Fault.SILENT_EXECUTED if executes else Fault.SILENT_UNEXECUTED
        return Fault.LOST_ANSWER if draw < self._transient_rate else Fault.NONE

    def _happens(self, rate: float, what: str, key: str) -> bool:
        return rate > 0.0 and self._draw(what, key) < rate

    def _draw(self, what: str, key: str) -> float:
        """Return a number, 0 <= x < 1, that depends on nothing but the seed and the arguments."""
        text = f"{self.settings.seed}\n{what}\n{key}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=_DRAW_BYTES).digest(), "big") / _DRAW_RANGE
