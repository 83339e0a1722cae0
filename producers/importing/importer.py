"""Orders of another system become ours, once each: their ids are on record before anything is published.

A rerun finds what an earlier run recorded. Orders whose publication was acknowledged are skipped; the others are
published again under their first ids, which is harmless.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import msgspec
import structlog

from producers.clients.order_commands import OrderCommandClient
from producers.clients.orders import (
    ACCEPTED_TOKEN,
    DEFAULT_HOLD_SECONDS,
    OrderClient,
    OrderLine,
    OrderRequest,
    place_order_lines,
)
from producers.clients.requests import require_text
from producers.clients.stock import Receipt, StockClient
from producers.errors import InvalidOrderCommandError, InvalidOrderError, UnusableOptionError
from producers.importing.assembly import Adjustment, CreditNote, Invoice
from producers.importing.credits import fingerprint, numbers_of, request_return, returned_by
from producers.importing.faults import Fault, Reject
from producers.importing.options import ReadOptions
from producers.importing.orderfile import OrderFile
from producers.importing.register import Connection, Register
from producers.importing.rejects import RejectsFile
from producers.importing.report import Credited, ImportReport, Oddities, Progress
from producers.importing.rows import Row
from producers.publisher import Publisher
from schemas.ids import new_order_id

log = structlog.get_logger()

CHUNK_ORDERS: Final = 250

Ended = Callable[[Sequence[str]], Awaitable[frozenset[str]]]
"""Returns which of these order ids have ended without a sale."""


class PlacingOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the orders of a file are placed.

    `source` is the other system, not the file: the same invoice in a renamed file is still the same order; None: the format's.
    With `receive_stock` what an order needs comes in before it, once. With `return_credits` credit notes become returns.
    `ended` is asked for orders that an earlier run has placed: one without a sale in the end is placed again, under a new id.
    """

    source: str | None = None
    payment_token: str = ACCEPTED_TOKEN
    hold_seconds: int = DEFAULT_HOLD_SECONDS
    terms: str = ""
    receive_stock: bool = False
    return_credits: bool = False
    ended: Ended | None = None


class _Candidate(msgspec.Struct):
    """An order of the file, its rows as they stood, and the request that places it."""

    invoice: Invoice
    request: OrderRequest
    rows: Sequence[Row]


OnProgress = Callable[[Progress], None]
OnPlaced = Callable[[Sequence[tuple[str, OrderRequest]]], None]
"""Called with (the other system's number, the order) of what was just published."""


def survey(
    path: Path,
    reading: ReadOptions,
    placing: PlacingOptions,
    *,
    rejects: Path | None = None,
    on_progress: OnProgress = lambda _: None,
) -> ImportReport:
    """Return what an import of this file would find, and place nothing. Raises InvalidRequestError, UnusableFileError."""
    with _Run(path, reading, placing, rejects, on_progress, dry_run=True) as run:
        for _ in run.candidates():
            pass
        for credit in run.credits:
            run.report.credit(Credited(credit.number, credit.first_row, "listed"))
        return run.report


async def import_orders(
    path: Path,
    publisher: Publisher,
    connection: Connection,
    reading: ReadOptions,
    placing: PlacingOptions,
    *,
    rejects: Path | None = None,
    on_progress: OnProgress = lambda _: None,
    on_placed: OnPlaced = lambda _: None,
) -> ImportReport:
    """Place the orders of a file, those that no earlier run has placed.

    Raises InvalidRequestError, UnusableFileError and PublishError; what was placed until then stays, and a rerun goes on
    from there.
    """
    with _Run(path, reading, placing, rejects, on_progress, dry_run=False) as run:
        register = Register(connection, run.report.source)
        client = OrderClient(publisher)
        candidates = run.candidates()
        while chunk := list(itertools.islice(candidates, CHUNK_ORDERS)):
            if due := await _due(register, chunk, run, placing.ended):
                if placing.receive_stock:
                    await StockClient(publisher).receive(_receipts(due, run.report))
                await client.place([candidate.request for candidate in due])
                await register.mark_published([candidate.invoice.number for candidate in due])
                for candidate in due:
                    run.report.placed.add(candidate.invoice)
                on_placed([(candidate.invoice.number, candidate.request) for candidate in due])
                log.info("orders_imported", source=run.report.source, orders=run.report.placed.orders)
        for credit in run.credits:
            run.report.credit(await _credited(credit, register, publisher, run, wanted=placing.return_credits))
        return run.report


class _Run:
    """One reading of a file, with its report and its rejects."""

    def __init__(
        self,
        path: Path,
        reading: ReadOptions,
        placing: PlacingOptions,
        rejects: Path | None,
        on_progress: OnProgress,
        *,
        dry_run: bool,
    ) -> None:
        _check_for_all(placing)
        self.file = OrderFile(
            path,
            reading,
            on_rows=lambda rows, total: on_progress(Progress(rows, total, self.report.found.orders)),
            on_reject=self.reject_rows,
        )
        self.report = ImportReport(
            source=self.file.layout.source if placing.source is None else placing.source,
            format=self.file.layout.format,
            encoding=self.file.table.encoding.removesuffix("-sig"),
            dry_run=dry_run,
        )
        self.credits: list[CreditNote] = []
        self._placing = placing
        self._oddities = Oddities()
        self._rejects = RejectsFile(rejects, self.file.table) if rejects is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._rejects is not None:
            self._rejects.close()
        if kind is None:
            file = self.file
            self.report.rows, self.report.blank_rows, self.report.stray_rows = (
                file.rows,
                file.blank_rows,
                file.stray_rows,
            )
            self.report.notes += self._oddities.notes(file, self.report.left_out)

    def reject_rows(self, reject: Reject, rows: Sequence[Row]) -> None:
        """Write rows that are not placed to the rejects file; count a stray row."""
        if not reject.order:
            self.report.reject(reject)
        if self._rejects is not None:
            self._rejects.write(reject, rows)

    def candidates(self) -> Iterator[_Candidate]:
        """Yield each order that can be placed, and put everything else into the report."""
        for assembled, rows in self.file.orders():
            match assembled:
                case Reject():
                    self.report.reject(assembled)
                case CreditNote():
                    self.credits.append(assembled)
                case Adjustment():
                    self.report.adjust(assembled)
                case Invoice():
                    self._oddities.look(assembled)
                    request = _request(assembled, self._placing)
                    try:
                        place_order_lines(request)
                    except InvalidOrderError as error:
                        self._reject(assembled, rows, Fault.BEYOND_LIMITS, str(error))
                        continue
                    self.report.find(assembled)
                    yield _Candidate(assembled, request, rows)

    def _reject(self, invoice: Invoice, rows: Sequence[Row], fault: Fault, reason: str) -> None:
        reject = Reject(invoice.number, invoice.first_row, "", fault, reason)
        self.report.reject(reject)
        self.reject_rows(reject, rows)

    def leave_changed(self, candidate: _Candidate, on_record: str) -> None:
        """Report an order that was imported with other content."""
        invoice = candidate.invoice
        self.report.changed.add(invoice)
        self.report.changed_ids.append(invoice.number)
        reason = f"was imported with other content, as order {on_record}, and has changed since"
        self.reject_rows(Reject(invoice.number, invoice.first_row, "", Fault.CHANGED, reason), candidate.rows)


async def _due(register: Register, chunk: list[_Candidate], run: _Run, ended: Ended | None) -> list[_Candidate]:
    """Put new orders on record, and return those to publish, each under the id that is on record."""
    known = await register.record([(candidate.invoice, candidate.request.order_id) for candidate in chunk])
    over: frozenset[str] = frozenset()
    if ended is not None:
        over = await ended([entry.order_id for entry in known.values()])
    due = []
    for candidate in chunk:
        entry = known[candidate.invoice.number]
        if entry.order_id in over and await register.replace(
            candidate.invoice, entry.order_id, candidate.request.order_id
        ):
            run.report.placed_again += 1
            due.append(candidate)
        elif entry.fingerprint != candidate.invoice.fingerprint:
            run.leave_changed(candidate, entry.order_id)
        elif entry.is_published:
            run.report.already_imported.add(candidate.invoice)
        else:
            candidate.request = msgspec.structs.replace(candidate.request, order_id=entry.order_id)
            due.append(candidate)
    return due


def _receipts(due: Sequence[_Candidate], report: ImportReport) -> list[Receipt]:
    """Return the receipts of what these orders need, under ids that derive from theirs: sent again, they are the same."""
    receipts = []
    for candidate in due:
        units: Counter[str] = Counter()
        for line in candidate.request.lines:
            units[line.sku] += line.quantity
        for sku, quantity in units.items():
            receipts.append(Receipt(sku=sku, quantity=quantity, command_id=f"import/{candidate.request.order_id}"))
            report.received[sku] = report.received.get(sku, 0) + quantity
    return receipts


async def _credited(
    credit: CreditNote, register: Register, publisher: Publisher, run: _Run, *, wanted: bool
) -> Credited:
    """Publish the return that a credit note is, if returns are wanted and one order has its lines."""
    if not wanted:
        return Credited(credit.number, credit.first_row, "listed")
    returned = await register.return_of(credit.number)
    if returned is None:
        numbers = numbers_of(credit, by_uci_rules=run.file.layout.by_uci_rules)
        return_or_reason = returned_by(credit, await register.orders_for(credit, numbers), numbers)
        if isinstance(return_or_reason, str):
            return Credited(credit.number, credit.first_row, return_or_reason)
        returned = await register.record_return(credit.number, return_or_reason)
    if returned.fingerprint != fingerprint(credit):
        return Credited(credit.number, credit.first_row, "was imported with other content, and has changed since")
    try:
        command = request_return(run.report.source, credit, returned)
    except InvalidOrderCommandError as error:
        return Credited(credit.number, credit.first_row, str(error))
    await OrderCommandClient(publisher).send([command])
    return Credited(credit.number, credit.first_row, "requested", command.order_id, command.return_id)


def _request(invoice: Invoice, placing: PlacingOptions) -> OrderRequest:
    return OrderRequest(
        lines=invoice.lines,
        shipping_minor=invoice.shipping_minor,
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        payment_token=placing.payment_token,
        hold_seconds=placing.hold_seconds,
        terms=placing.terms,
        order_id=new_order_id(),
    )


def _check_for_all(placing: PlacingOptions) -> None:
    """Raise InvalidRequestError for what is wrong with all orders: that is the caller's mistake, not the file's."""
    if placing.source is not None:
        require_text(UnusableOptionError, "the source", placing.source)
    anything = Invoice(
        number="1", customer_id="any", currency="GBP", lines=(OrderLine("any", 1, 0),), rows=1, first_row=1
    )
    place_order_lines(_request(anything, placing))
