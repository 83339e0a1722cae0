"""A circuit breaker: says whether the processor may be asked now, from how it answered lately. Pure: no clock, no I/O.

    CLOSED --- too many failures in a row, or too large a share of them ---> OPEN
       ^                                                                     |  ^
       |                                            reset_seconds have passed|  | the probe failed
       +--------------- the probe was answered --------------- HALF_OPEN <---+--+

Who asks enters first and gets a permit, or has to wait. In HALF_OPEN there is one permit, the probe's. What calls
of an earlier state come to is no news about this one, so each change makes the permits given before it worthless.
(https://martinfowler.com/bliki/CircuitBreaker.html)

Decision: docs/decisions, 012.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TypeAlias

import msgspec

Permit: TypeAlias = int


class CircuitState(Enum):
    """Whether the processor is asked: always, never, or by one probe."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()


class BreakerPolicy(msgspec.Struct, frozen=True):
    """When to stop asking, and for how long.

    The circuit opens after `consecutive_failures`, or where of at least `minimum_calls` in the last `window_seconds`
    the share `failure_rate` (0 to 1) failed. It lets a probe through `reset_seconds` later.
    """

    consecutive_failures: int = 10
    failure_rate: float = 0.5
    minimum_calls: int = 40
    window_seconds: float = 10.0
    reset_seconds: float = 2.0


class CircuitBreaker:
    """The state of one processor's circuit. Times are seconds of any clock that never steps back."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.state = CircuitState.CLOSED
        self._generation: Permit = 0
        self._probe_at = 0.0
        self._failures_in_a_row = 0
        self._outcomes: deque[tuple[float, bool]] = deque()
        self._failures_in_window = 0

    def enter(self, now_seconds: float) -> Permit | None:
        """Return a permit to ask the processor, or None: wait. Every permit that is used is to be recorded."""
        if self.state is CircuitState.OPEN and now_seconds >= self._probe_at:
            self._change(CircuitState.HALF_OPEN)
            return self._generation
        return self._generation if self.state is CircuitState.CLOSED else None

    def record(self, permit: Permit, now_seconds: float, *, failed: bool) -> None:
        """Take note of how a call ended that had this permit."""
        if permit != self._generation:
            return
        if self.state is CircuitState.HALF_OPEN:
            if failed:
                self._open(now_seconds)
            else:
                self._change(CircuitState.CLOSED)
            return
        self._count(now_seconds, failed=failed)
        if failed and self._is_too_much():
            self._open(now_seconds)

    def seconds_until_probe(self, now_seconds: float) -> float:
        """Return how long no probe is let through; 0 in any state but OPEN."""
        return max(0.0, self._probe_at - now_seconds) if self.state is CircuitState.OPEN else 0.0

    def _open(self, now_seconds: float) -> None:
        self._change(CircuitState.OPEN)
        self._probe_at = now_seconds + self.policy.reset_seconds

    def _change(self, state: CircuitState) -> None:
        self.state = state
        self._generation += 1
        self._failures_in_a_row = self._failures_in_window = 0
        self._outcomes.clear()

    def _count(self, now_seconds: float, *, failed: bool) -> None:
        self._failures_in_a_row = self._failures_in_a_row + 1 if failed else 0
        self._outcomes.append((now_seconds, failed))
        self._failures_in_window += failed
        while self._outcomes[0][0] <= now_seconds - self.policy.window_seconds:
            _, was_failure = self._outcomes.popleft()
            self._failures_in_window -= was_failure

    def _is_too_much(self) -> bool:
        calls = len(self._outcomes)
        return self._failures_in_a_row >= self.policy.consecutive_failures or (
            calls >= self.policy.minimum_calls and self._failures_in_window >= self.policy.failure_rate * calls
        )
