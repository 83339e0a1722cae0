"""Binds payments to the runtime: it follows both order topics and asks the processor, after the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from consumers.payments import store
from consumers.payments.decide import decide, is_forgotten
from consumers.payments.effects import EffectRunner
from consumers.payments.payment import StartOperation, evolve, operation_id
from consumers.payments.store import PaymentBook
from consumers.runtime.decision import outgoing
from consumers.runtime.room import Changes, Room
from schemas import messages as m
from topology.saga import heard_by
from topology.topics import ORDER_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from consumers.payments.processor import Operation, PaymentProcessor, ProcessorResult
    from producers.publisher import Publisher
    from schemas.messages import Message

MAX_PENDING: Final = 10_000
"""Operations without an answer, beyond which no more are begun: 10 MB, and what the processor owes us when it is back."""


class PaymentsRoom(Room[PaymentBook]):
    """Decides what to ask of the processor, has it asked, and says what came of it."""

    name = "payments"
    sources = (ORDER_COMMANDS, ORDER_EVENTS)
    hears = heard_by("payments")
    save = store.QUERIES["save"]
    cache_limit = 60_000

    def __init__(self, processor: PaymentProcessor, publisher: Publisher) -> None:
        self._processor = processor
        self._publisher = publisher
        self._runner = EffectRunner(processor, self._record)

    @override
    def start(self) -> None:
        self._runner.start()

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
        order_id: str = message.order_id  # type: ignore[attr-defined]  # every message on order.* topics has one
        payment = state.payment(order_id)
        if is_forgotten(payment, message, at_ms):
            return
        outcomes = decide(payment, message)
        if order_id not in state.payments and not outcomes:
            return
        yield from (outcome for outcome in outcomes if isinstance(outcome, m.Message))
        evolve(payment, message, outcomes, at_ms)
        state.payments[order_id] = payment
        state.changed.add(order_id)
        if isinstance(message, m.RecordPaymentResult) and outcomes:
            state.answered[message.operation_id] = message.result
        for outcome in outcomes:
            if isinstance(outcome, StartOperation):
                state.started[operation_id(order_id, outcome.kind)] = (order_id, outcome.kind, at_ms)

    @override
    def close_batch(self, state: PaymentBook, at_ms: int) -> Changes:
        del at_ms
        return store.changes(state)

    @override
    def size(self, state: PaymentBook) -> int:
        return len(state.payments)

    @override
    def forget(self, state: PaymentBook) -> None:
        state.payments.clear()

    @override
    async def claimed(self, connection: asyncpg.Connection, partition: int, state: PaymentBook) -> None:
        del state
        self._runner.submit(partition, await store.load_pending(connection, partition))

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
        """Put the processor's answer on the log, where the decision about it is made."""
        answer = m.RecordPaymentResult(
            operation.order_id, operation.operation_id, result.result, result.authorization_id, result.reason
        )
        await self._publisher.publish([outgoing(answer)])
