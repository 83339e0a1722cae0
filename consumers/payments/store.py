"""Loads the payments that a batch is about, and lists what it changed, the attempts to start among it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from consumers.payments.payment import Payment, operation_id
from consumers.payments.processor import Operation, OperationKind
from consumers.runtime.room import Changes
from consumers.runtime.sql import array_literal, columns, load_queries
from schemas.ids import is_order_id
from topology.states import PaymentState

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from schemas.messages import Message

QUERIES: Final = load_queries("consumers.payments", arrays_as_text=True)
PENDING: Final = "pending"


class PaymentBook:
    """The payments of one partition, as far as they are loaded; the rest collects the open batch.

    `started` maps an attempt's id to (order_id, kind, ms when it was decided), `answered` an attempt's id to its result.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.payments: dict[str, Payment] = {}
        self.begin_batch()

    def begin_batch(self) -> None:
        """Forget what changed; keep what is."""
        self.changed: set[str] = set()
        self.started: dict[str, tuple[str, OperationKind, int]] = {}
        self.answered: dict[str, str] = {}

    def payment(self, order_id: str) -> Payment:
        """Return an order's money to decide on; where none was asked for there is none."""
        found = self.payments.get(order_id)
        return found if found is not None else Payment()


async def load(connection: asyncpg.Connection, loads: Sequence[tuple[PaymentBook, Sequence[Message]]]) -> None:
    """Bring in the payments that these messages are about and memory lacks."""
    missing: dict[str, PaymentBook] = {}
    for book, messages in loads:
        for message in messages:
            order_id: str = message.order_id  # type: ignore[attr-defined]  # every message on order.* topics has one
            if order_id not in book.payments and is_order_id(order_id):
                missing[order_id] = book
    if not missing:
        return
    for row in await connection.fetch(QUERIES["load_payments"], array_literal(list(missing))):
        order_id = str(row["order_id"])
        missing[order_id].payments[order_id] = Payment(
            state=PaymentState(row["state"]),
            amount_minor=row["amount_minor"],
            currency=row["currency"],
            customer_id=row["customer_id"],
            payment_token=row["payment_token"],
            authorization_id=row["authorization_id"],
            order_over=row["order_over"],
            updated_at_ms=row["updated_at_ms"],
            is_stored=True,
        )


async def load_pending(connection: asyncpg.Connection, partition: int) -> list[Operation]:
    """Return the operations whose attempts are durable and unanswered: what an earlier owner may not have finished."""
    rows = await connection.fetch(QUERIES["load_pending"], partition)
    return [_operation(str(row["order_id"]), OperationKind(row["kind"]), row) for row in rows]


def changes(book: PaymentBook) -> Changes:
    """Return the batch's changes as columns for `save`, and the operations to start once they are durable."""
    begun: list[tuple[Any, ...]] = []
    went_on: list[tuple[Any, ...]] = []
    for order_id in book.changed:
        it = book.payments[order_id]
        tail = (it.authorization_id, it.order_over, it.updated_at_ms)
        if it.is_stored:
            went_on.append((order_id, it.state.value, *tail))
            continue
        head = (order_id, book.partition, it.state.value, it.amount_minor, it.currency)
        begun.append((*head, it.customer_id, it.payment_token, *tail))
        it.is_stored = True
    asked = [
        (attempt, order_id, book.partition, kind.value, book.answered.pop(attempt, PENDING), at_ms)
        for attempt, (order_id, kind, at_ms) in book.started.items()
    ]
    effects = [_operation_of(book, order_id, kind) for order_id, kind, _ in book.started.values()]
    answered = list(book.answered.items())
    book.begin_batch()
    return Changes(
        (*columns(begun, 10), *columns(went_on, 5), *columns(asked, 6), *columns(answered, 2)), effects=effects
    )


def _operation_of(book: PaymentBook, order_id: str, kind: OperationKind) -> Operation:
    payment = book.payments[order_id]
    return Operation(
        operation_id(order_id, kind),
        order_id,
        kind,
        payment.amount_minor,
        payment.currency,
        payment.payment_token,
        payment.customer_id,
        payment.authorization_id,
    )


def _operation(order_id: str, kind: OperationKind, row: asyncpg.Record) -> Operation:
    return Operation(
        operation_id(order_id, kind),
        order_id,
        kind,
        row["amount_minor"],
        row["currency"],
        row["payment_token"],
        row["customer_id"],
        row["authorization_id"],
    )
