"""Orders of another system become ours, once each: their ids are on record before anything is published.

A rerun finds what an earlier run recorded. Orders whose publication was acknowledged are skipped; the others are
published again under their first ids, which is harmless.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec
import structlog

from producers.clients.orders import ACCEPTED_TOKEN, DEFAULT_HOLD_SECONDS, OrderLine, OrderRequest, place_order_lines
from producers.errors import InvalidOrderError
from producers.importing.online_retail import CURRENCY, Invoice, RetailFile, Skipped
from schemas.ids import new_order_id

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from producers.clients.orders import OrderClient

log = structlog.get_logger()

SOURCE: Final = "online-retail"
"""The other system, not the file: the same invoice in a renamed file is still the same order."""
CHUNK_ORDERS: Final = 250

RECORD: Final = """
INSERT INTO imports (source, external_id, order_id, lines, fingerprint)
SELECT $1, n.* FROM unnest($2::text[], $3::uuid[], $4::integer[], $5::bytea[]) AS n
ON CONFLICT DO NOTHING
"""
ON_RECORD: Final = """
SELECT external_id, order_id, fingerprint, published_at FROM imports WHERE source = $1 AND external_id = ANY($2::text[])
"""
PUBLISHED: Final = """
UPDATE imports SET published_at = now() WHERE source = $1 AND external_id = ANY($2::text[]) AND published_at IS NULL
"""


class Progress(msgspec.Struct, frozen=True):
    """How far an import is; `total_rows` is None while the rows are being counted."""

    rows: int
    total_rows: int | None
    orders: int


class Tally(msgspec.Struct):
    """So many orders, of so many lines."""

    orders: int = 0
    lines: int = 0

    def add(self, invoice: Invoice) -> None:
        """Count an order."""
        self.orders += 1
        self.lines += len(invoice.lines)


class ImportReport(msgspec.Struct, kw_only=True):
    """What became of a file's rows: every row is in `found` or in `skipped_rows`.

    Of the orders found, `placed` were published now, `already_imported` by an earlier run, and `changed` (`changed_ids`)
    differ from what was imported under their number: those are left alone. A dry run does not tell these apart.
    """

    source: str
    dry_run: bool
    encoding: str = ""
    rows: int = 0
    found: Tally = msgspec.field(default_factory=Tally)
    placed: Tally = msgspec.field(default_factory=Tally)
    already_imported: Tally = msgspec.field(default_factory=Tally)
    changed: Tally = msgspec.field(default_factory=Tally)
    changed_ids: list[str] = []
    skipped_rows: dict[str, int] = {}


def survey(path: Path, on_progress: Callable[[Progress], None] = lambda _: None) -> ImportReport:
    """Return what an import of this file would find, and import nothing. Raises UnusableFileError."""
    report = ImportReport(source=SOURCE, dry_run=True)
    file = _file(path, report, on_progress)
    for _ in _requests(file, report):
        pass
    return _closed(report, file)


async def import_orders(
    path: Path,
    client: OrderClient,
    connection: asyncpg.Connection | asyncpg.Pool,
    *,
    source: str = SOURCE,
    payment_token: str = ACCEPTED_TOKEN,
    hold_seconds: int = DEFAULT_HOLD_SECONDS,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> ImportReport:
    """Place the orders of an "Online Retail" file, those that no earlier run has placed.

    Raises UnusableFileError and PublishError; what was placed until then stays, and a rerun goes on from there.
    """
    report = ImportReport(source=source, dry_run=False)
    file = _file(path, report, on_progress)
    found = _requests(file, report, payment_token=payment_token, hold_seconds=hold_seconds)
    while chunk := list(itertools.islice(found, CHUNK_ORDERS)):
        due = await _record(connection, source, chunk, report)
        if due:
            await client.place([request for _, request in due])
            await connection.execute(PUBLISHED, source, [invoice.number for invoice, _ in due])
            for invoice, _ in due:
                report.placed.add(invoice)
            log.info("orders_imported", source=source, orders=report.placed.orders)
    return _closed(report, file)


async def _record(
    connection: asyncpg.Connection | asyncpg.Pool,
    source: str,
    chunk: list[tuple[Invoice, OrderRequest]],
    report: ImportReport,
) -> list[tuple[Invoice, OrderRequest]]:
    """Put new orders on record, and return those to publish, each under the id that is on record.

    Two statements, because one could not see what another importer records at the same time.
    """
    numbers = [invoice.number for invoice, _ in chunk]
    await connection.execute(
        RECORD,
        source,
        numbers,
        [UUID(request.order_id) for _, request in chunk],
        [len(invoice.lines) for invoice, _ in chunk],
        [invoice.fingerprint for invoice, _ in chunk],
    )
    known = {row["external_id"]: row for row in await connection.fetch(ON_RECORD, source, numbers)}
    due = []
    for invoice, request in chunk:
        row = known[invoice.number]
        if row["fingerprint"] != invoice.fingerprint:
            report.changed.add(invoice)
            report.changed_ids.append(invoice.number)
        elif row["published_at"] is not None:
            report.already_imported.add(invoice)
        else:
            due.append((invoice, msgspec.structs.replace(request, order_id=str(row["order_id"]))))
    return due


def _file(path: Path, report: ImportReport, on_progress: Callable[[Progress], None]) -> RetailFile:
    return RetailFile(path, lambda rows, total: on_progress(Progress(rows, total, report.found.orders)))


def _requests(
    file: RetailFile,
    report: ImportReport,
    *,
    payment_token: str = ACCEPTED_TOKEN,
    hold_seconds: int = DEFAULT_HOLD_SECONDS,
) -> Iterator[tuple[Invoice, OrderRequest]]:
    options = OrderRequest(
        lines=(OrderLine("any", 1, 0),), customer_id="any", payment_token=payment_token, hold_seconds=hold_seconds
    )
    place_order_lines(options)  # what is wrong with all orders is the caller's mistake, not the file's
    for invoice in file.invoices():
        request = OrderRequest(
            lines=invoice.lines,
            customer_id=invoice.customer_id,
            currency=CURRENCY,
            payment_token=payment_token,
            hold_seconds=hold_seconds,
            order_id=new_order_id(),
        )
        try:
            place_order_lines(request)
        except InvalidOrderError as error:
            file.skip(invoice, Skipped.ORDER_BEYOND_LIMITS)
            log.warning("order_not_imported", invoice=invoice.number, error=str(error))
            continue
        report.found.add(invoice)
        yield invoice, request


def _closed(report: ImportReport, file: RetailFile) -> ImportReport:
    report.encoding, report.rows = file.encoding.removesuffix("-sig"), file.rows
    report.skipped_rows = {reason.value: rows for reason, rows in sorted(file.skipped.items())}
    return report
