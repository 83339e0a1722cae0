"""What became of a file: every order and every row is in one of its sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from producers.importing.assembly import Adjustment, Invoice, is_spreadsheet_id
from producers.importing.faults import Reject
from producers.importing.options import CANCELLED, SkuCase
from producers.importing.orderfile import OrderFile

MAX_LISTED: Final = 1_000
"""Rejects, credit notes and the like that a report names; the sums count all, and the rejects file has all."""
SHOWN: Final = 3


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


class Credited(msgspec.Struct, frozen=True):
    """What became of a credit note; `order_id` and `return_id` are empty where nothing was returned."""

    number: str
    row: int
    result: str
    order_id: str = ""
    return_id: str = ""


class LeftOut(msgspec.Struct):
    """A waived charge: in how many orders, and how much of each currency in minor units."""

    orders: int = 0
    amount_minor: dict[str, int] = {}

    def add(self, currency: str, minor: int) -> None:
        """Count a charge that an order goes without."""
        self.orders += 1
        self.amount_minor[currency] = self.amount_minor.get(currency, 0) + minor


class ImportReport(msgspec.Struct, kw_only=True):
    """What became of a file's orders.

    Of those `found` whole, `placed` were published now (`placed_again` of them in the place of one that had come to nothing),
    `already_imported` by an earlier run, and `changed` (`changed_ids`) differ from what was imported under their number and
    were left alone. A dry run does not distinguish these. `rejected` orders cannot be placed; `rejects` has the first 1,000
    of the reasons. Credit notes and adjustments are no orders.
    """

    source: str
    format: str
    encoding: str
    dry_run: bool
    rows: int = 0
    blank_rows: int = 0
    stray_rows: int = 0
    found: Tally = msgspec.field(default_factory=Tally)
    placed: Tally = msgspec.field(default_factory=Tally)
    placed_again: int = 0
    already_imported: Tally = msgspec.field(default_factory=Tally)
    changed: Tally = msgspec.field(default_factory=Tally)
    changed_ids: list[str] = []
    rejected: int = 0
    rejected_by: dict[str, int] = {}
    rejects: list[Reject] = []
    credit_notes: int = 0
    credits: list[Credited] = []
    adjustments: int = 0
    adjustment_ids: list[str] = []
    left_out: dict[str, LeftOut] = {}
    rounded: LeftOut = msgspec.field(default_factory=LeftOut)
    received: dict[str, int] = {}
    notes: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether all that the file orders is an order of ours now, and that is something."""
        return self.found.orders > 0 and not (self.rejected or self.changed.orders or self.stray_rows)

    def reject(self, reject: Reject) -> None:
        """Count an order, or a row without one, that is not placed."""
        if reject.order:
            self.rejected += 1
        self.rejected_by[reject.fault.value] = self.rejected_by.get(reject.fault.value, 0) + 1
        if len(self.rejects) < MAX_LISTED:
            self.rejects.append(reject)

    def find(self, invoice: Invoice) -> None:
        """Count an order that can be placed."""
        self.found.add(invoice)
        for name, minor in invoice.left_out.items():
            self.left_out.setdefault(name, LeftOut()).add(invoice.currency, minor)
        if invoice.rounded_minor:
            self.rounded.add(invoice.currency, invoice.rounded_minor)

    def credit(self, credited: Credited) -> None:
        """Count a credit note."""
        self.credit_notes += 1
        if len(self.credits) < MAX_LISTED:
            self.credits.append(credited)

    def adjust(self, adjustment: Adjustment) -> None:
        """Count a booking that is no order."""
        self.adjustments += 1
        if len(self.adjustment_ids) < MAX_LISTED:
            self.adjustment_ids.append(adjustment.number)


class Oddities:
    """What is read as it stands, and may not be meant: ids that look like the same, an encoding that is a guess."""

    def __init__(self) -> None:
        self._spellings: dict[str, str] = {}
        self._same_but_case: Counter[tuple[str, str]] = Counter()
        self._decimal_ids: Counter[str] = Counter()
        self._foreign = ""

    def look(self, invoice: Invoice) -> None:
        """Look at an order."""
        if is_spreadsheet_id(invoice.customer_id):
            self._decimal_ids[invoice.customer_id] += 1
        for text in (invoice.customer_id, *(line.sku for line in invoice.lines)):
            if not self._foreign and not text.isascii():
                self._foreign = text
        for line in invoice.lines:
            first = self._spellings.setdefault(line.sku.casefold(), line.sku)
            if first != line.sku:
                self._same_but_case[first, line.sku] += 1

    def notes(self, file: OrderFile, used: Mapping[str, LeftOut]) -> list[str]:
        """Return what the caller should know, each as a sentence."""
        notes = []
        if file.table.is_guess:
            example = f", in which there is {self._foreign!r}" if self._foreign else ""
            notes.append(
                f"The file is not UTF-8 and was read as {file.table.encoding}{example}; --encoding names another."
            )
        if self._decimal_ids:
            example = next(iter(self._decimal_ids))
            notes.append(
                f"{len(self._decimal_ids):,} customer ids end in .0, such as {example}, as a spreadsheet writes {example[:-2]} in a "
                f"column with gaps. --whole-customer-ids reads them without; with it they are other customers."
            )
        if self._same_but_case:
            shown = ", ".join(f"{one} and {other}" for one, other in list(self._same_but_case)[:SHOWN])
            notes.append(
                f"{len(self._same_but_case):,} SKUs differ from another only in case: {shown}. They are different SKUs "
                f"here; --sku-case {SkuCase.UPPER} makes them one."
            )
        unused = sorted(file.options.waived - {name.casefold() for name in used} - {CANCELLED})
        if unused:
            notes.append(f"Nothing in the file was left out as {', '.join(unused)}.")
        return notes
