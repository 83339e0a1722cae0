"""Binds payments to the runtime: it follows both order topics and asks the processor, after the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from consumers.payments import store
from consumers.payments.decide import decide, when_forgotten
from consumers.payments.effects import EffectRunner
from consumers.payments.evolve import Answered, Booked, Outcome, StartOperation, evolve
from consumers.payments.processor import recordable
from consumers.payments.store import PaymentBook
from consumers.payments.waits import MAX_ENDS, Deadlines
from consumers.runtime.decision import outgoing
from consumers.runtime.room import Changes, Room
from schemas import messages as m
from topology.saga import heard_by
from topology.topics import ORDER_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from consumers.payments.payment import Payment
    from consumers.payments.processor import Operation, PaymentProcessor, ProcessorResult
    from consumers.runtime.background import BackgroundTasks
    from producers.publisher import Publisher
    from schemas.messages import Message

MAX_PENDING: Final = 10_000
"""Operations without an answer, beyond which no more are begun: 10 MB, and what the processor owes us when it is back."""
ENDS_A_COMMAND: Final = 500


class PaymentsRoom(Room[PaymentBook]):
    """Decides what to ask of the processor, has it asked, and says what came of it."""

    name = store.ROOM
    sources = (ORDER_COMMANDS, ORDER_EVENTS)
    hears = heard_by(store.ROOM)
    save = store.QUERIES["save"]
    cache_limit = 60_000
    deadlines = Deadlines()

    def __init__(
        self, processor: PaymentProcessor, publisher: Publisher, *, deadlines: Deadlines | None = None
    ) -> None:
        self._processor = processor
        self._publisher = publisher
        self._runner = EffectRunner(processor, self._record)
        self.deadlines = deadlines or Deadlines()

    @override
    def start(self, background: BackgroundTasks) -> None:
        self._runner.start(background)

    @override
    def new_state(self, partition: int) -> PaymentBook:
        return PaymentBook(partition)

    @override
    async def load(
        self, connection: asyncpg.Connection, loads: Sequence[tuple[PaymentBook, Sequence[Message]]], *, thorough: bool
    ) -> None:
        del thorough
        await store.load(connection, loads)

    @override
    def decide(self, state: PaymentBook, message: Message, at_ms: int) -> Iterable[Message]:
        if type(message) is m.EndWaits:
            yield from self._end_waits(state, message, at_ms)
            return
        payment = state.payment(message.order_id)  # type: ignore[attr-defined]  # each of the others has one
        if (said := when_forgotten(payment, message, at_ms)) is not None:
            yield from said
            return
        outcomes = decide(payment, message, at_ms, self.deadlines)
        if outcomes:
            yield from (outcome for outcome in outcomes if isinstance(outcome, m.Message))
            _write_down(state, payment, message, outcomes, at_ms)

    def _end_waits(self, state: PaymentBook, command: m.EndWaits, at_ms: int) -> Iterable[Message]:
        if command.room != self.name:
            return
        limit = max(0, min(command.limit, MAX_ENDS))
        due = [state.payments[order_id] for order_id in state.waits.due(min(command.as_of_ms, at_ms), limit)]
        decided = [(payment, decide(payment, command, at_ms, self.deadlines)) for payment in due]
        for _, outcomes in decided:
            yield from (outcome for outcome in outcomes if isinstance(outcome, m.Message))
        for payment, outcomes in decided:
            _write_down(state, payment, command, outcomes, at_ms)
        state.waits.expect_what_is_left(command.as_of_ms)

    @override
    def close_batch(self, state: PaymentBook, at_ms: int) -> Changes:
        del at_ms
        return store.changes(state)

    @override
    def is_barrier(self, message: type[Message]) -> bool:
        return message is m.EndWaits

    @override
    def size(self, state: PaymentBook) -> int:
        return len(state.payments) + state.attempts

    @override
    def forget(self, state: PaymentBook) -> None:
        state.forget()

    @override
    def reminder(self, state: PaymentBook, now_ms: int) -> Message | None:
        """Ask for an end of waits once the earliest is over; the command in the log decides, not this clock."""
        return m.EndWaits(self.name, now_ms, ENDS_A_COMMAND) if state.waits.rings(now_ms) else None

    @override
    async def claimed(self, connection: asyncpg.Connection, partition: int, state: PaymentBook) -> None:
        await store.load_earliest_deadline(connection, state)
        self._runner.submit(partition, await store.load_pending(connection, partition), resumed=True)

    @override
    def released(self, partition: int) -> None:
        self._runner.forget(partition)

    @override
    def after_commit(self, partition: int, effects: Sequence[Operation]) -> None:
        self._runner.submit(partition, effects)

    @override
    def is_saturated(self) -> bool:
        return self._runner.pending >= MAX_PENDING

    @override
    async def stop(self) -> None:
        await self._runner.close()
        await self._processor.close()

    async def _record(self, operation: Operation, result: ProcessorResult) -> None:
        """Put the processor's answer on the log, where the decision about it is made. Raises NotUnderstoodError."""
        result = recordable(result)
        answer = m.RecordPaymentResult(
            operation.order_id,
            operation.operation_id,
            result.result,
            result.authorization_id,
            result.reason,
            result.action_url,
            result.expires_at_ms,
        )
        await self._publisher.publish([outgoing(answer)])


def _write_down(
    state: PaymentBook, payment: Payment, message: Message, outcomes: Sequence[Outcome], at_ms: int
) -> None:
    """Evolve by what was decided, and note what has to be saved. What only says something changes nothing."""
    changed = False
    for outcome in outcomes:
        if type(outcome) is Answered:
            changed = True
            state.answered[outcome.operation_id] = payment.order_id
        elif type(outcome) is StartOperation or type(outcome) is Booked:
            changed = True
            state.started[outcome.operation_id] = payment.order_id
            state.attempts += 1
            if type(outcome) is StartOperation:
                state.operations.append(outcome)
        elif not isinstance(outcome, m.Message):
            changed = True
    if changed:
        evolve(payment, message, outcomes, at_ms)
        state.keep(payment)
        state.changed.add(payment.order_id)
