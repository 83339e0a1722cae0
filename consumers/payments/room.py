"""Binds payments to the runtime: it follows an order's log and asks the processor, after the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from consumers.payments import store
from consumers.payments.decide import respond_outside_window
from consumers.payments.effects import EffectRunner
from consumers.payments.evolve import evolve
from consumers.payments.processor import recordable
from consumers.payments.state import Payment
from consumers.payments.store import PaymentsState
from consumers.payments.transitions import ROOM, decide
from consumers.runtime.deciding.decision import outgoing
from consumers.runtime.deciding.now import DEADLINES, Deadlines
from consumers.runtime.order_keyed import Decider, OrderKeyedRoom
from consumers.runtime.origins.confirmations import CONFIRMATIONS
from schemas import messages as m
from topology.saga import messages_accepted_by
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import asyncpg

    from consumers.payments.internal_events import Outcome
    from consumers.payments.processor import Operation, PaymentProcessor, ProcessorPayment, ProcessorResult
    from consumers.runtime.background import BackgroundTasks
    from consumers.runtime.room import Changes
    from producers.publisher import Publisher
    from schemas.messages import Message

MAX_PENDING: Final = 10_000
"""Operations without an answer that are kept in memory (10 MB); the others wait in the database until some are answered."""


class PaymentsRoom(OrderKeyedRoom[PaymentsState, Payment]):
    """Decides what to ask of the processor, asks it after the commit, and decides what comes of its answers."""

    name = ROOM
    source = ORDER_EVENTS
    accepts = messages_accepted_by(ROOM)
    guards = accepts & CONFIRMATIONS.keys()
    confirms_in_commit = frozenset(store.CONFIRMED_IN_COMMIT)
    decider = Decider(Payment, decide, evolve, respond_outside_window)
    queries = store.QUERIES
    save = store.QUERIES["save"]
    looks_up = (31, 56, 60)
    ends_per_command = 500
    max_ends = 1_000

    def __init__(self, processor: PaymentProcessor, publisher: Publisher, *, deadlines: Deadlines = DEADLINES) -> None:
        super().__init__(deadlines=deadlines)
        self._processor = processor
        self._publisher = publisher
        self._runner = EffectRunner(processor, self._record, self._record_inspection, on_end=self._operation_ended)
        self._wake: Callable[[], None] = lambda: None
        self._waiting: dict[int, bool] = {}
        """Partitions with pending attempts that are in the database only; true where an earlier owner may have made some."""
        self._begun: dict[int, set[str]] = {}
        """The ids of the operations that were begun here and are pending in the database, by partition."""

    @override
    def start(self, background: BackgroundTasks, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._runner.start(background)

    @override
    def new_state(self, partition: int) -> PaymentsState:
        return PaymentsState(partition)

    @override
    async def read(self, connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> Iterable[Payment]:
        return await store.read_payments(connection, rows)

    @override
    def changed(self, state: PaymentsState, record: Payment, message: Message, outcomes: Sequence[Outcome]) -> None:
        state.collect(record, outcomes)

    @override
    def changes(self, state: PaymentsState) -> Changes:
        self._begun.get(state.partition, set()).difference_update(state.resolved)
        return store.changes(state)

    @override
    async def claimed(self, connection: asyncpg.Connection, partition: int, state: PaymentsState) -> None:
        await super().claimed(connection, partition, state)
        self._waiting[partition] = True
        if self.has_effects_to_resume():
            await self._resume(connection, partition)

    @override
    def released(self, partition: int) -> None:
        self._waiting.pop(partition, None)
        self._begun.pop(partition, None)
        self._runner.forget(partition)

    @override
    def after_commit(self, partition: int, effects: Sequence[Operation]) -> None:
        if self._runner.pending < MAX_PENDING and partition not in self._waiting:
            self._begin(partition, effects)
        elif effects:
            self._waiting.setdefault(partition, False)

    @override
    def has_effects_to_resume(self) -> bool:
        return bool(self._waiting) and self._runner.pending <= MAX_PENDING // 2

    @override
    async def resume_effects(self, connection: asyncpg.Connection) -> None:
        for partition in list(self._waiting):
            if self.has_effects_to_resume() and partition in self._waiting:
                await self._resume(connection, partition)

    def _operation_ended(self) -> None:
        if self.has_effects_to_resume():
            self._wake()

    async def _resume(self, connection: asyncpg.Connection, partition: int) -> None:
        """Begin pending attempts of a partition, the oldest first; those that were begun here are not begun twice."""
        resumed = self._waiting.pop(partition)  # before the query: what is committed meanwhile may not be in its answer
        begun = self._begun.get(partition, set())
        operations = await store.load_pending(connection, partition, MAX_PENDING, begun)
        self._begin(partition, operations, resumed=resumed)
        if len(operations) == MAX_PENDING:
            self._waiting[partition] = resumed or self._waiting.get(partition, False)

    @override
    async def stop(self) -> None:
        await self._runner.close()
        await self._processor.close()

    def _begin(self, partition: int, operations: Sequence[Operation], *, resumed: bool = False) -> None:
        self._begun.setdefault(partition, set()).update(operation.operation_id for operation in operations)
        self._runner.submit(partition, operations, resumed=resumed)

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

    async def _record_inspection(
        self, operation: Operation, payment: ProcessorPayment, refused: ProcessorResult | None
    ) -> None:
        """Put on the log where the processor has the money of an authorisation, and why it refused the operation, if so."""
        reading = m.RecordPaymentInspection(
            operation.order_id,
            operation.operation_id,
            operation.authorization_id,
            payment.currency,
            payment.authorized_minor,
            payment.captured_minor,
            payment.voided_minor,
            payment.refunded_minor,
            payment.disputed_minor,
            payment.lost_minor,
            "" if refused is None else recordable(refused).reason or refused.result,
        )
        await self._publisher.publish([outgoing(reading)])
