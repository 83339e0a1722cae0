"""Loads the payments that a batch is about, and lists what it changed, the attempts to start among it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.payments.evolve import StartOperation
from consumers.payments.payment import PENDING, UNCONFIRMED, Attempt, Payment, Wish, number_of
from consumers.payments.processor import Operation, OperationKind
from consumers.payments.waits import MAX_ENDS
from consumers.runtime.alarm import Waits
from consumers.runtime.room import Changes
from consumers.runtime.sql import array_literal, columns, load_queries
from schemas import messages as m
from schemas.ids import is_order_id
from topology.states import PaymentState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import asyncpg

    from schemas.messages import Message

QUERIES: Final = load_queries("consumers.payments", arrays_as_text=True)
ROOM: Final = "payments"
_decode_due: Final = msgspec.json.Decoder(tuple[Wish, ...]).decode
_encode: Final = msgspec.json.Encoder().encode
_NOTHING_DUE: Final = "[]"


class PaymentBook:
    """The payments of one partition, as far as they are loaded; the rest collects the open batch.

    `attempts` counts theirs, `waits` has those that time ends.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.waits = Waits()
        self.forget()
        self.begin_batch()

    def forget(self) -> None:
        """Empty the memory; what is needed again gets loaded."""
        self.payments: dict[str, Payment] = {}
        self.attempts = 0
        self.waits.forget()

    def begin_batch(self) -> None:
        """Forget what changed; keep what is."""
        self.changed: set[str] = set()
        self.started: dict[str, str] = {}
        self.answered: dict[str, str] = {}
        self.operations: list[StartOperation] = []

    def payment(self, order_id: str) -> Payment:
        """Return an order's money to decide on; where none was asked for there is none."""
        found = self.payments.get(order_id)
        return found if found is not None else Payment(order_id)

    def keep(self, payment: Payment) -> None:
        """Take a payment into memory, or note that it has changed when its wait ends."""
        self.payments[payment.order_id] = payment
        self.waits.put(payment.order_id, payment.deadline_ms)


async def load(connection: asyncpg.Connection, loads: Sequence[tuple[PaymentBook, Sequence[Message]]]) -> None:
    """Bring in the payments that these messages are about and memory lacks."""
    missing: dict[str, PaymentBook] = {}
    for book, messages in loads:
        for message in messages:
            if type(message) is m.EndWaits:
                if message.room == ROOM:
                    await _load_due(connection, book, message)
                continue
            order_id: str = message.order_id  # type: ignore[attr-defined]  # each of the others has one
            if order_id not in book.payments and is_order_id(order_id):
                missing[order_id] = book
    if missing:
        rows = await connection.fetch(QUERIES["load_payments"], array_literal(list(missing)))
        await _keep(connection, rows, missing)


async def load_earliest_deadline(connection: asyncpg.Connection, book: PaymentBook, after_ms: int = -1) -> None:
    """Learn when the next wait of this partition ends (only a hint of when to ask; decisions do not read it)."""
    book.waits.earliest_ms = await connection.fetchval(QUERIES["earliest_deadline"], book.partition, after_ms)


async def load_pending(connection: asyncpg.Connection, partition: int) -> list[Operation]:
    """Return the operations whose attempts are durable and unanswered: what an earlier owner may not have finished."""
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
        for row in await connection.fetch(QUERIES["load_pending"], partition)
    ]


def changes(book: PaymentBook) -> Changes:
    """Return the batch's changes as columns for `save`, and the operations to start once they are durable."""
    begun: list[tuple[Any, ...]] = []
    went_on: list[tuple[Any, ...]] = []
    for order_id in book.changed:
        it = book.payments[order_id]
        due = _encode(it.due).decode() if it.due else _NOTHING_DUE
        tail = (
            *(it.authorization_id, it.order_over, it.all_shipped, it.at_shipping),
            *(it.authorized_minor, it.captured_minor, it.voided_minor, it.refunded_minor),
            *(it.expires_at_ms, it.deadline_ms, due, it.updated_at_ms),
        )
        if it.is_stored:
            went_on.append((order_id, it.state.value, *tail))
            continue
        head = (order_id, book.partition, it.state.value, it.amount_minor, it.currency)
        begun.append((*head, it.customer_id, it.payment_token, *tail))
        it.is_stored = True
    asked = [_asked(book, book.payments[order_id].attempts[it]) for it, order_id in book.started.items()]
    answered = [
        _answered(book.payments[order_id].attempts[it])
        for it, order_id in book.answered.items()
        if it not in book.started
    ]
    effects = [_operation_of(book.payments[it.order_id], it) for it in book.operations]
    book.begin_batch()
    rows = ((begun, 19), (went_on, 14), (asked, 9), (answered, 4))
    return Changes(tuple(column for part, width in rows for column in columns(part, width)), effects=effects)


def _asked(book: PaymentBook, it: Attempt) -> tuple[Any, ...]:
    head = (it.operation_id, it.operation_id[:36], book.partition, it.kind.value, it.amount_minor)
    return (*head, it.reference, it.authorization_id, it.result, it.started_at_ms)


def _answered(it: Attempt) -> tuple[Any, ...]:
    return it.operation_id, it.amount_minor, it.authorization_id, it.result


def _operation_of(payment: Payment, it: StartOperation) -> Operation:
    return Operation(
        it.operation_id,
        it.order_id,
        it.kind,
        it.amount_minor,
        payment.currency,
        payment.payment_token,
        payment.customer_id,
        it.authorization_id,
        it.is_last,
        _unconfirmed_id(payment) if it.reference == UNCONFIRMED else "",
    )


def _unconfirmed_id(payment: Payment) -> str:
    authorization = payment.latest(OperationKind.AUTHORIZE)
    return authorization.operation_id if authorization is not None else ""


async def _load_due(connection: asyncpg.Connection, book: PaymentBook, command: m.EndWaits) -> None:
    limit = max(0, min(command.limit, MAX_ENDS))
    rows = await connection.fetch(QUERIES["load_due"], book.partition, command.as_of_ms, limit)
    missing = {order_id: book for row in rows if (order_id := str(row["order_id"])) not in book.payments}
    await _keep(connection, rows, missing)
    if len(rows) < limit:
        await load_earliest_deadline(connection, book, command.as_of_ms)
    book.waits.answered()


async def _keep(
    connection: asyncpg.Connection, rows: Iterable[asyncpg.Record], missing: Mapping[str, PaymentBook]
) -> None:
    """Take stored payments and their attempts into memory, those that it lacks."""
    found: dict[str, Payment] = {}
    for row in rows:
        if (order_id := str(row["order_id"])) in missing:
            found[order_id] = _payment(order_id, row)
    if not found:
        return
    for row in await connection.fetch(QUERIES["load_attempts"], array_literal(list(found))):
        payment = found[str(row["order_id"])]
        attempt = _attempt(row)
        payment.attempts[attempt.operation_id] = attempt
        if attempt.result == PENDING:
            payment.under_way = attempt.operation_id
    for order_id, payment in found.items():
        missing[order_id].keep(payment)
        missing[order_id].attempts += len(payment.attempts)


def _payment(order_id: str, row: asyncpg.Record) -> Payment:
    return Payment(
        order_id,
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
        deadline_ms=row["deadline_ms"],
        due=_decode_due(row["due"]),
        updated_at_ms=row["updated_at_ms"],
        is_stored=True,
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
