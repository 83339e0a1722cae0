"""The line in front of a processor whose circuit is open: who waits there costs neither a worker nor a request.

Decision: docs/decisions, 012.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

import structlog

from consumers.payments.breaker import BreakerPolicy, CircuitBreaker, CircuitState, Permit

CallLater: TypeAlias = Callable[[float, Callable[[], None]], object]
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Circuit(Generic[T]):
    """A circuit breaker, and what waits until it closes.

    `release` takes up what may be tried now: one at a time as probes, all once the circuit has closed. `clock` gives
    seconds that never step back, `call_later` is as an event loop has it.
    """

    def __init__(
        self,
        processor: str,
        policy: BreakerPolicy,
        *,
        release: Callable[[T], None],
        clock: Callable[[], float],
        call_later: CallLater,
    ) -> None:
        self._processor = processor
        self._breaker = CircuitBreaker(policy)
        self._release = release
        self._clock = clock
        self._call_later = call_later
        self._waiting: deque[T] = deque()
        self._wakes = False

    @property
    def state(self) -> CircuitState:
        """Whether the processor is asked."""
        return self._breaker.state

    @property
    def waiting(self) -> int:
        """How many wait in the line."""
        return len(self._waiting)

    def enter(self) -> Permit | None:
        """Return a permit to ask the processor now, or None: stand in the line."""
        before = self.state
        permit = self._breaker.enter(self._clock())
        self._log_change(before)
        return permit

    def record(self, permit: Permit, *, failed: bool) -> None:
        """Take note of how the call with this permit ended. Who waits is let go when that closes the circuit."""
        before = self.state
        self._breaker.record(permit, self._clock(), failed=failed)
        self._log_change(before)
        if self.state is CircuitState.CLOSED:
            released, self._waiting = self._waiting, deque()
            for one in released:
                self._release(one)

    def stand_in_line(self, one: T) -> None:
        """Wait for the circuit, without a worker."""
        self._waiting.append(one)
        self._wake_after(self._breaker.seconds_until_probe(self._clock()))

    def keep(self, is_current: Callable[[T], bool]) -> None:
        """Send away who no longer needs to wait."""
        self._waiting = deque(one for one in self._waiting if is_current(one))

    def _wake_after(self, seconds: float) -> None:
        if self._waiting and not self._wakes:
            self._wakes = True
            self._call_later(seconds, self._wake)

    def _wake(self) -> None:
        """Let the first in the line be the probe; if it turns out not to ask at all, the next gets its chance later."""
        self._wakes = False
        wait_seconds = self._breaker.seconds_until_probe(self._clock())
        if wait_seconds == 0.0:
            wait_seconds = self._breaker.policy.reset_seconds
            if self._waiting and self.state is CircuitState.OPEN:
                self._release(self._waiting.popleft())
        self._wake_after(wait_seconds)

    def _log_change(self, before: CircuitState) -> None:
        if self.state is before:
            return
        write = log.warning if self.state is CircuitState.OPEN else log.info
        name = {
            CircuitState.OPEN: "circuit_opened",
            CircuitState.HALF_OPEN: "circuit_half_open",
            CircuitState.CLOSED: "circuit_closed",
        }[self.state]
        write(name, processor=self._processor, waiting=self.waiting)
