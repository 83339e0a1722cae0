"""The effect runner: drives each persisted payment operation to a definite answer and hands that answer on.

It keeps nothing that matters. An operation comes here after its attempt row was committed, so whatever is unfinished
when this process ends is pending in the database, and the partition's next owner submits it again under the same id,
`resumed`: it is looked up before it is performed.

    perform --- definite answer -------------------------------> report --> done
       | ^                                                      ^  |  ^
       | |  the processor never saw it                          |  +--+ the callback failed: again
       v |                                                      |
    look up --- definite answer --------------------------------+
       +--- still unknown: again

A definite no to a capture, a void or a refund is reported with where the processor has the money; an inspection reports only that.

What is to be cancelled for want of a confirmation is looked up before and after (confirmation.py); a confirmation is
reported before the answer.

A processor that does not answer is left alone: while its circuit is open, whoever would perform or look up stands in a
line (circuit.py), and one of them at a time finds out whether it is back. So an order waits, and is never failed for it.

Each step that does not succeed is repeated after an exponential backoff with full jitter
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). An operation that waits occupies a timer of
the event loop, neither a worker nor a task, so a thousand unlucky ones do not hold up the rest.

Decision: docs/decisions, 011.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Self, TypeAlias

import structlog

from consumers.payments.backoff import Backoff
from consumers.payments.breaker import BreakerPolicy, CircuitState, Permit
from consumers.payments.call import Call, CallPhase, CancellationInFlightError
from consumers.payments.circuit import CallLater, Circuit
from consumers.payments.confirmation import authorization_of, confirmation_instead, confirmation_of
from consumers.payments.errors import NotSentError, NotUnderstoodError, OutcomeUnknownError, RunnerClosedError
from consumers.payments.processor import (
    Operation,
    OperationKind,
    PaymentProcessor,
    ProcessorPayment,
    ProcessorResult,
)
from consumers.runtime.background import BackgroundTasks

OnResult: TypeAlias = Callable[[Operation, ProcessorResult], Awaitable[None]]
OnInspection: TypeAlias = Callable[[Operation, ProcessorPayment, ProcessorResult | None], Awaitable[None]]

IN_FLIGHT_SECONDS = 30.0
"""After that long no request of an earlier owner is in flight: every adapter gives one up sooner."""

log = structlog.get_logger(__name__)


class EffectRunner:
    """Runs operations with `workers` calls at a time; `on_result` gets each definite answer at least once.

    `on_inspection` gets where an authorisation's money was found, with the refusal that this explains, if one does;
    `on_end` is called when an operation was reported or forgotten. Chance and time come from `random_fraction` (0 <= x < 1),
    `clock` (seconds that never step back) and `call_later` (as an event loop has it) alone.
    """

    def __init__(
        self,
        processor: PaymentProcessor,
        on_result: OnResult,
        on_inspection: OnInspection,
        *,
        on_end: Callable[[], None] = lambda: None,
        workers: int = 64,
        backoff: Backoff | None = None,
        breaker: BreakerPolicy | None = None,
        random_fraction: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        call_later: CallLater | None = None,
    ) -> None:
        self._processor = processor
        self._on_result = on_result
        self._on_inspection = on_inspection
        self._on_end = on_end
        self._worker_count = workers
        self._backoff = backoff or Backoff()
        self._random_fraction = random_fraction
        self._loops_call_later = call_later
        self._calls: dict[str, Call] = {}
        self._ready: asyncio.Queue[Call | None] = asyncio.Queue()
        self._circuit: Circuit[Call] = Circuit(
            type(processor).__name__,
            breaker or BreakerPolicy(),
            release=self._ready.put_nowait,
            clock=clock,
            call_later=self._call_later,
        )
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self.start(BackgroundTasks(lambda _: None))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def pending(self) -> int:
        """How many operations have no reported answer yet; a room that sees this grow should read more slowly."""
        return len(self._calls)

    @property
    def circuit(self) -> CircuitState:
        """Whether the processor is asked at the moment."""
        return self._circuit.state

    @property
    def in_line(self) -> int:
        """How many of the pending operations wait for the circuit to close."""
        return self._circuit.waiting

    def start(self, background: BackgroundTasks) -> None:
        """Start the workers; needs a running event loop. What was submitted before begins now."""
        self._workers = [background.start(self._work(), f"payment effects {n}") for n in range(self._worker_count)]

    def submit(self, partition: int, operations: Iterable[Operation], *, resumed: bool = False) -> None:
        """Take operations whose attempts are committed; one that is already on its way is not taken twice.

        `resumed` operations may have been performed by an earlier owner, so each is looked up first. Never blocks: see `pending`. Raises RunnerClosedError once closed.
        """
        if self._closing:
            raise RunnerClosedError("the effect runner is closed; the attempts stay pending for the next owner")
        for operation in operations:
            if (call := self._calls.get(operation.operation_id)) is not None:
                call.partition = partition
                call.partition_lost = False
                continue
            call = self._calls[operation.operation_id] = Call(partition, operation, resumed=resumed)
            self._idle.clear()
            self._ready.put_nowait(call)

    def forget(self, partition: int) -> None:
        """Drop what waits for this partition, which has another owner now.

        A call in flight takes its step to the end and its answer, if definite, is still reported: it is a fact from
        outside, and the new owner's call under the same id gets the same one.
        """
        for call in [call for call in self._calls.values() if call.partition == partition]:
            if call.running:
                call.partition_lost = True
            else:
                self._drop(call)
        self._circuit.keep(self._is_current)

    async def drain(self) -> None:
        """Wait until every submitted operation is reported or forgotten."""
        await self._idle.wait()

    async def close(self, deadline_seconds: float = 10.0) -> None:
        """Take no more, let the calls in flight finish within the deadline, and leave the rest to the next owner."""
        self._closing = True
        for _ in self._workers:
            self._ready.put_nowait(None)
        if self._workers:
            _, late = await asyncio.wait(self._workers, timeout=deadline_seconds)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._workers = []
        if self._calls:
            log.info("payment operations left to the next owner", operations=len(self._calls))
        self._calls.clear()
        self._idle.set()

    async def _work(self) -> None:
        while (call := await self._ready.get()) is not None and not self._closing:
            if self._is_current(call):
                call.running = True
                await self._drive(call)
                call.running = False

    async def _drive(self, call: Call) -> None:
        """Take steps until the operation is done or has to wait for its next one."""
        while call.step is not CallPhase.DONE:
            if call.partition_lost and (call.step is CallPhase.PERFORM or call.operation.kind is OperationKind.INSPECT):
                break
            permit = None if call.step is CallPhase.REPORT else self._circuit.enter()
            if permit is None and call.step is not CallPhase.REPORT:
                if call.partition_lost:
                    break
                self._circuit.stand_in_line(call)
                return
            wait_seconds = await self._take_step(call, permit)
            if wait_seconds is None:
                continue
            if call.partition_lost:
                break
            self._park(call, wait_seconds)
            return
        self._drop(call)

    async def _take_step(self, call: Call, permit: Permit | None) -> float | None:
        """Take one step. Return None where the next may follow at once, otherwise the seconds to wait before it."""
        error = await self._attempt(call)
        if permit is not None:
            # Who does not understand us is there all the same: that is for a person, and no reason to wait for it.
            answered = error is None or isinstance(error, NotUnderstoodError | CancellationInFlightError)
            self._circuit.record(permit, failed=not answered)
        if error is None:
            return None
        if isinstance(error, NotSentError):
            return self._wait_seconds(call, error, at_least=error.retry_after_seconds)
        if isinstance(error, CancellationInFlightError):
            return IN_FLIGHT_SECONDS
        if isinstance(error, NotUnderstoodError):
            return self._wait_seconds(call, error, at_least=self._backoff.cap_seconds)
        if call.step is CallPhase.PERFORM:
            call.step = CallPhase.LOOK_UP
        return self._wait_seconds(call, error)

    async def _attempt(self, call: Call) -> Exception | None:
        """Take the step. An unforeseen error must neither end a worker nor lose an operation, so it is returned too."""
        operation = call.operation
        try:
            if call.step is CallPhase.PERFORM:
                call.answered(await self._processor.perform(operation))
            elif call.step is CallPhase.LOOK_UP:
                if (result := await self._processor.look_up(operation)) is None:
                    call.step = CallPhase.PERFORM
                else:
                    call.answered(result)
            elif call.step is CallPhase.SEE_BEFORE:
                call.saw(await confirmation_instead(self._processor, operation))
            elif call.step is CallPhase.SEE_AFTER:
                call.saw(await confirmation_of(self._processor, operation))
            elif call.step is CallPhase.INSPECT:
                await self._inspect(call)
            else:
                await self._report(call)
        except Exception as error:  # noqa: BLE001 - see above
            return error
        return None

    async def _inspect(self, call: Call) -> None:
        """Find out where the money is. A processor that cannot show it must not hold up an answer that is there."""
        try:
            call.inspected(await self._processor.payment(call.operation.authorization_id))
        except NotUnderstoodError as error:
            if call.result is None:
                raise
            log.warning("payment_not_inspected", operation_id=call.operation.operation_id, error=str(error))
            call.inspected(None)

    async def _report(self, call: Call) -> None:
        if call.confirmation is not None:
            await self._on_result(authorization_of(call.operation), call.confirmation)
        if call.payment is not None:
            await self._on_inspection(call.operation, call.payment, call.result)
        elif call.result is not None:
            await self._on_result(call.operation, call.result)
        call.step = CallPhase.DONE

    def _wait_seconds(self, call: Call, error: Exception, *, at_least: float = 0.0) -> float:
        call.failures += 1
        jitter_seconds = self._random_fraction() * self._backoff.ceiling_seconds(call.failures)
        expected = isinstance(error, OutcomeUnknownError | NotSentError)
        (log.info if expected else log.error)(
            "payment step repeats",
            order_id=call.operation.order_id,
            operation_id=call.operation.operation_id,
            kind=call.operation.kind.value,
            partition=call.partition,
            step=call.step.name.lower(),
            failures=call.failures,
            error=repr(error),
        )
        return at_least + jitter_seconds

    def _park(self, call: Call, wait_seconds: float) -> None:
        self._call_later(wait_seconds, lambda: self._ready.put_nowait(call))

    def _call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        (self._loops_call_later or asyncio.get_running_loop().call_later)(seconds, callback)

    def _is_current(self, call: Call) -> bool:
        """Return whether this call still stands; one that was forgotten while it waited does not."""
        return self._calls.get(call.operation.operation_id) is call

    def _drop(self, call: Call) -> None:
        del self._calls[call.operation.operation_id]
        self._on_end()
        if not self._calls:
            self._idle.set()
