"""Compares the processor's books with ours, and gives back what is nobody's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from consumers.payments.errors import ProcessorError
from consumers.payments.processor import ProcessorPayment
from consumers.runtime.postgres.sql import load_queries
from infra.ops.reconciliation.plan import Known, Orphan, orphan_of
from schemas.ids import is_order_id

if TYPE_CHECKING:
    import asyncpg

    from consumers.payments.processor import PaymentProcessor

log = structlog.get_logger()

QUERIES: Final = load_queries("infra.ops.reconciliation")
CHUNK: Final = 500
"""Payments that are looked up in one query."""


async def find_orphans(
    connection: asyncpg.Connection, processor: PaymentProcessor, *, since_ms: int, before_ms: int
) -> list[Orphan]:
    """Return the payments made from `since_ms` to `before_ms` (ms since the epoch, UTC) that no order stands for.

    `before_ms` leaves alone what may still be on its way to us. Raises ProcessorError.
    """
    found: list[Orphan] = []
    async for chunk in _chunks(processor, since_ms, before_ms):
        known = await _known(connection, chunk)
        found += [orphan for payment in chunk if (orphan := orphan_of(payment, known)) is not None]
    return found


async def give_back(connection: asyncpg.Connection, processor: PaymentProcessor, orphan: Orphan) -> str:
    """Void or refund an orphan, once however often it is tried; return succeeded, failed or unknown."""
    operation = orphan.operation
    await connection.execute(
        QUERIES["begin"],
        operation.operation_id,
        operation.order_id,
        operation.authorization_id,
        operation.kind.value,
        operation.amount_minor,
        operation.currency,
        orphan.why,
    )
    try:
        result = await processor.look_up(operation) or await processor.perform(operation)
    except ProcessorError as error:
        log.warning("orphan_unknown", operation_id=operation.operation_id, error=str(error))
        return "unknown"
    await connection.execute(QUERIES["finish"], operation.operation_id, result.result, result.reason)
    return result.result


async def _chunks(
    processor: PaymentProcessor, since_ms: int, before_ms: int
) -> AsyncIterator[Sequence[ProcessorPayment]]:
    chunk: list[ProcessorPayment] = []
    async for payment in processor.payments(since_ms):
        if payment.created_at_ms < before_ms:
            chunk.append(payment)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


async def _known(connection: asyncpg.Connection, payments: Sequence[ProcessorPayment]) -> dict[str, Known]:
    ids = [payment.order_id for payment in payments if is_order_id(payment.order_id)]
    rows = await connection.fetch(QUERIES["known"], ids)
    return {row["order_id"]: Known(frozenset(row["authorization_ids"]), row["is_asking"]) for row in rows}
