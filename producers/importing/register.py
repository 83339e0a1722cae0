"""Which orders of other systems are ours: on record before anything is published, so that no file sells anything twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from producers.clients.orders import OrderLine
from producers.importing.assembly import CreditNote, Invoice
from producers.importing.pricing import as_recorded

RECORD: Final = """
INSERT INTO imports (source, external_id, order_id, lines, fingerprint, customer_id, content, dated)
SELECT $1, n.* FROM unnest($2::text[], $3::uuid[], $4::integer[], $5::bytea[], $6::text[], $7::bytea[], $8::text[]) AS n
ON CONFLICT DO NOTHING
"""
ON_RECORD: Final = """
SELECT external_id, order_id, fingerprint, published_at FROM imports WHERE source = $1 AND external_id = ANY($2::text[])
"""
PUBLISHED: Final = """
UPDATE imports SET published_at = now() WHERE source = $1 AND external_id = ANY($2::text[]) AND published_at IS NULL
"""
REPLACE: Final = """
UPDATE imports SET order_id = $4, lines = $5, fingerprint = $6, customer_id = $7, content = $8, dated = $9, published_at = NULL
WHERE source = $1 AND external_id = $2 AND order_id = $3
RETURNING order_id
"""
OF_CUSTOMER: Final = """
SELECT i.external_id, i.order_id, i.content,
    coalesce((SELECT array_agg(line) FROM imported_returns r, unnest(r.lines) AS line
              WHERE r.source = i.source AND r.order_id = i.order_id), '{}') AS returned
FROM imports i
WHERE i.source = $1 AND i.content IS NOT NULL AND (i.customer_id = $2 OR i.external_id = ANY($3::text[]))
ORDER BY i.order_id DESC
"""
RETURN_ON_RECORD: Final = """
SELECT order_id, lines, fingerprint FROM imported_returns WHERE source = $1 AND external_id = $2
"""
RECORD_RETURN: Final = """
INSERT INTO imported_returns (source, external_id, order_id, lines, fingerprint) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""

Connection = asyncpg.Connection | asyncpg.Pool


class Entry(msgspec.Struct, frozen=True):
    """An order on record: under which id, with which content, and whether Kafka has acknowledged it."""

    order_id: str
    fingerprint: bytes
    is_published: bool


class Imported(msgspec.Struct, frozen=True):
    """An imported order, its lines in the order of their numbers, and the numbers of those that credit notes returned."""

    number: str
    order_id: str
    currency: str
    lines: tuple[OrderLine, ...]
    returned: frozenset[int]


class Return(msgspec.Struct, frozen=True):
    """A credit note on record: the lines of an order that it returns."""

    order_id: str
    lines: tuple[int, ...]
    fingerprint: bytes


class Register:
    """The record of what was imported from one source."""

    def __init__(self, connection: Connection, source: str) -> None:
        self._connection = connection
        self._source = source

    async def record(self, invoices: Sequence[tuple[Invoice, str]]) -> dict[str, Entry]:
        """Put orders on record under the given ids, unless they are; return what is on record, by their numbers.

        Two statements, because one could not see what another importer records at the same time.
        """
        numbers = [invoice.number for invoice, _ in invoices]
        await self._connection.execute(
            RECORD,
            self._source,
            numbers,
            [UUID(order_id) for _, order_id in invoices],
            [len(invoice.lines) for invoice, _ in invoices],
            [invoice.fingerprint for invoice, _ in invoices],
            [invoice.customer_id for invoice, _ in invoices],
            [_content(invoice) for invoice, _ in invoices],
            [invoice.dated for invoice, _ in invoices],
        )
        return {
            row["external_id"]: Entry(str(row["order_id"]), row["fingerprint"], row["published_at"] is not None)
            for row in await self._connection.fetch(ON_RECORD, self._source, numbers)
        }

    async def replace(self, invoice: Invoice, old_order_id: str, new_order_id: str) -> bool:
        """Put a new order in the place of one that came to nothing; return False if another importer was first."""
        replaced = await self._connection.fetchval(
            REPLACE,
            self._source,
            invoice.number,
            UUID(old_order_id),
            UUID(new_order_id),
            len(invoice.lines),
            invoice.fingerprint,
            invoice.customer_id,
            _content(invoice),
            invoice.dated,
        )
        return replaced is not None

    async def mark_published(self, numbers: Sequence[str]) -> None:
        """Note that Kafka has acknowledged every line of these orders."""
        await self._connection.execute(PUBLISHED, self._source, numbers)

    async def orders_for(self, credit: CreditNote, numbers: Sequence[str]) -> list[Imported]:
        """Return the imported orders of a credit note's customer, and those of these numbers, the latest first."""
        rows = await self._connection.fetch(OF_CUSTOMER, self._source, credit.customer_id, numbers)
        return [
            Imported(row["external_id"], str(row["order_id"]), *_decode(row["content"]), frozenset(row["returned"]))
            for row in rows
        ]

    async def return_of(self, number: str) -> Return | None:
        """Return what a credit note returned in an earlier run."""
        row = await self._connection.fetchrow(RETURN_ON_RECORD, self._source, number)
        return Return(str(row["order_id"]), tuple(row["lines"]), row["fingerprint"]) if row else None

    async def record_return(self, number: str, returned: Return) -> Return:
        """Put a credit note on record, unless it is; return what is on record."""
        arguments: tuple[Any, ...] = (UUID(returned.order_id), list(returned.lines), returned.fingerprint)
        await self._connection.execute(RECORD_RETURN, self._source, number, *arguments)
        return await self.return_of(number) or returned


def _content(invoice: Invoice) -> bytes:
    return msgspec.msgpack.encode((invoice.currency, as_recorded(invoice.lines)))


def _decode(content: bytes) -> tuple[str, tuple[OrderLine, ...]]:
    return msgspec.msgpack.decode(content, type=tuple[str, tuple[OrderLine, ...]])
