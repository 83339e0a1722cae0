"""Reads payments from their rows, and lists what a batch changed, the attempts to start among it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from typing_extensions import override

from consumers.payments.internal_events import AttemptResolved, Booked, Outcome, StartOperation
from consumers.payments.processor import Operation, OperationKind
from consumers.payments.state import PENDING, UNCONFIRMED, Attempt, ExternalMoney, Payment, QueuedOperation, number_of
from consumers.runtime.order_keyed import OrderKeyedState
from consumers.runtime.postgres.sql import array_literal, columns, load_queries
from consumers.runtime.room import Changes
from schemas import messages as m
from topology.states import PaymentState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import asyncpg

QUERIES: Final = load_queries("consumers.payments", arrays_as_text=True)
decode_queue: Final = msgspec.json.Decoder(tuple[QueuedOperation, ...]).decode
decode_external: Final = msgspec.json.Decoder(dict[str, ExternalMoney]).decode
encode: Final = msgspec.json.Encoder().encode
CONFIRMED_IN_COMMIT: Final = (m.OrderReserved, m.OrderPlaced)
"""The two events that every order has: `save` compares them with the row of orders, instead of a query before each batch."""
_EMPTY_QUEUE: Final = "[]"
_NOTHING_EXTERNAL: Final = "{}"


class PaymentsState(OrderKeyedState[Payment]):
    """The payments of one partition, with the attempts of the open batch: new ones, resolved ones, operations to start."""

    def __init__(self, partition: int) -> None:
        super().__init__(partition)
        self._begin_batch()

    def _begin_batch(self) -> None:
        self.inserted: dict[str, str] = {}
        self.resolved: dict[str, str] = {}
        self.operations: list[StartOperation] = []

    def collect(self, payment: Payment, outcomes: Iterable[Outcome]) -> None:
        """Note the attempts that these outcomes make or resolve, by their order, and what is to be asked of the processor."""
        for outcome in outcomes:
            if isinstance(outcome, AttemptResolved):
                self.resolved[outcome.operation_id] = payment.order_id
            elif isinstance(outcome, StartOperation | Booked):
                self.inserted[outcome.operation_id] = payment.order_id
                if isinstance(outcome, StartOperation):
                    self.operations.append(outcome)

    @override
    def take_changed(self) -> list[Payment]:
        changed = super().take_changed()
        self._begin_batch()
        return changed


async def read_payments(connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> list[Payment]:
    """Return the payments that these rows hold, with their attempts."""
    payments = {str(row["order_id"]): _payment(row) for row in rows}
    if not payments:
        return []
    for row in await connection.fetch(QUERIES["load_attempts"], array_literal(list(payments))):
        payment, attempt = payments[str(row["order_id"])], _attempt(row)
        payment.attempts[attempt.operation_id] = attempt
        if attempt.result == PENDING:
            payment.under_way = attempt.operation_id
    return list(payments.values())


async def load_pending(
    connection: asyncpg.Connection, partition: int, limit: int, besides: Collection[str] = ()
) -> list[Operation]:
    """Return at most `limit` of the operations, the oldest, whose attempts are durable and unanswered.

    `besides` are the ids of those that the caller has begun: an answer may be on its way.
    """
    return [
        Operation(
            row["operation_id"],
            str(row["order_id"]),
            OperationKind(row["kind"]),
            row["amount_minor"],
            row["currency"],
            row["payment_token"],
            row["customer_id"],
            row["authorization_id"],
            row["is_last"],
            row["unconfirmed_id"],
        )
        for row in await connection.fetch(QUERIES["load_pending"], partition, limit, array_literal(list(besides)))
    ]


def changes(state: PaymentsState) -> Changes:
    """Return the batch's changes as columns for `save`, and the operations to start once they are durable."""
    inserted: list[tuple[Any, ...]] = []
    updated: list[tuple[Any, ...]] = []
    asked = [_inserted_attempt(state, attempt) for attempt in _attempts(state, state.inserted)]
    resolved = [
        (attempt.operation_id, attempt.amount_minor, attempt.authorization_id, attempt.result)
        for attempt in _attempts(state, state.resolved)
        if attempt.operation_id not in state.inserted
    ]
    unconfirmed = list(map(_unconfirmed, state.unconfirmed))
    effects = [_operation_of(state.by_order[operation.order_id], operation) for operation in state.operations]
    for payment in state.take_changed():
        queue = encode(payment.queue).decode() if payment.queue else _EMPTY_QUEUE
        external = encode(payment.external).decode() if payment.external else _NOTHING_EXTERNAL
        tail = (
            *(payment.authorization_id, payment.order_over, payment.all_shipped, payment.at_shipping),
            *(payment.authorized_minor, payment.captured_minor, payment.voided_minor, payment.refunded_minor),
            *(payment.expires_at_ms, payment.deadline_ms, queue, external, payment.resolving, payment.updated_at_ms),
        )
        if payment.is_stored:
            updated.append((payment.order_id, payment.state.value, *tail))
            continue
        head = (payment.order_id, state.partition, payment.state.value, payment.amount_minor, payment.currency)
        inserted.append((*head, payment.customer_id, payment.payment_token, *tail))
        payment.is_stored = True
    rows = ((inserted, 21), (updated, 16), (asked, 9), (resolved, 4), (unconfirmed, 7))
    return Changes(tuple(column for part, width in rows for column in columns(part, width)), effects=effects)


def _attempts(state: PaymentsState, orders: dict[str, str]) -> list[Attempt]:
    return [state.by_order[order_id].attempts[operation_id] for operation_id, order_id in orders.items()]


def _unconfirmed(event: m.OrderReserved | m.OrderPlaced) -> tuple[Any, ...]:
    """Return what the row of orders has to have; a customer and a token are named where the money is asked for."""
    head = (event.order_id, event.amount_minor, event.currency)
    if isinstance(event, m.OrderPlaced):
        return (*head, "", "", event.terms, 1)
    return (*head, event.customer_id, event.payment_token, "", 0)


def _inserted_attempt(state: PaymentsState, attempt: Attempt) -> tuple[Any, ...]:
    head = (attempt.operation_id, attempt.operation_id[:36], state.partition, attempt.kind.value, attempt.amount_minor)
    return (*head, attempt.reference, attempt.authorization_id, attempt.result, attempt.started_at_ms)


def _operation_of(payment: Payment, operation: StartOperation) -> Operation:
    return Operation(
        operation.operation_id,
        operation.order_id,
        operation.kind,
        operation.amount_minor,
        payment.currency,
        payment.payment_token,
        payment.customer_id,
        operation.authorization_id,
        operation.is_last,
        _unconfirmed_id(payment) if operation.reference == UNCONFIRMED else "",
    )


def _unconfirmed_id(payment: Payment) -> str:
    authorization = payment.latest(OperationKind.AUTHORIZE)
    return authorization.operation_id if authorization is not None else ""


def _payment(row: asyncpg.Record) -> Payment:
    return Payment(
        order_id=str(row["order_id"]),
        deadline_ms=row["deadline_ms"],
        updated_at_ms=row["updated_at_ms"],
        is_stored=True,
        state=PaymentState(row["state"]),
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        customer_id=row["customer_id"],
        payment_token=row["payment_token"],
        authorization_id=row["authorization_id"],
        order_over=row["order_over"],
        all_shipped=row["all_shipped"],
        at_shipping=row["at_shipping"],
        authorized_minor=row["authorized_minor"],
        captured_minor=row["captured_minor"],
        voided_minor=row["voided_minor"],
        refunded_minor=row["refunded_minor"],
        expires_at_ms=row["expires_at_ms"],
        queue=decode_queue(row["due"]),
        external=decode_external(row["external"]) if row["external"] != _NOTHING_EXTERNAL else {},
        resolving=row["resolving"],
    )


def _attempt(row: asyncpg.Record) -> Attempt:
    return Attempt(
        row["operation_id"],
        OperationKind(row["kind"]),
        number_of(row["operation_id"]),
        row["amount_minor"],
        row["reference"],
        row["authorization_id"],
        row["result"],
        row["started_at_ms"],
    )
