"""Reads a file of orders: each order whole, or the reason why not; no record is lost.

An order's rows need not stand together, so a file is read twice: once to count each order's rows, once to put an order
together as soon as its last row has come. Memory grows with the number of orders and with the rows of those that are
open, not with the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from producers.errors import UnusableFileError
from producers.importing.assembly import Assembled, assemble
from producers.importing.faults import Fault, Reject
from producers.importing.formats import Field
from producers.importing.options import ReadOptions, checked
from producers.importing.rows import Row, order_of, read_row
from producers.importing.table import Record, Table
from schemas.limits import MAX_LINES

PROGRESS_ROWS: Final = 1_000
SHOWN_STRAYS: Final = 5

OnRows = Callable[[int, int | None], None]
"""Called with (rows read, rows in all); the second is None while they are being counted."""
OnReject = Callable[[Reject, Sequence[Row]], None]
"""Called with the reason and the rows of what is not placed: each of them once, perhaps in several calls."""


class OrderFile:
    """One file. `rows`, `blank_rows` and `stray_rows` are complete once `orders()` is exhausted.

    A stray row names no order. Since it may belong to any, a file with one is refused unless the options skip stray rows.
    """

    def __init__(
        self,
        path: Path,
        options: ReadOptions,
        *,
        on_rows: OnRows = lambda _rows, _total: None,
        on_reject: OnReject = lambda _reject, _rows: None,
    ) -> None:
        self.options = checked(options)
        self.table = Table(path, self.options)
        self.layout = self.table.layout
        self.rows = 0
        self.blank_rows = 0
        self.stray_rows = 0
        self.on_reject = on_reject
        self._on_rows = on_rows

    def orders(self) -> Iterator[tuple[Assembled, Sequence[Row]]]:
        """Yield each order with its rows when the last of them has come. Raises UnusableFileError."""
        counted = self._counted()
        awaited, total = Counter(counted), self.rows
        open_rows: dict[str, list[Row]] = {}
        for record in self._records(total):
            order = order_of(record, self.layout)
            if order not in counted:
                self.stray_rows += 1
                self.on_reject(self._stray(record), [Row(record.line, record.cells)])
                continue
            awaited[order] -= 1
            if counted[order] > MAX_LINES:
                self._reject_long(order, record, counted[order])
            else:
                open_rows.setdefault(order, []).append(read_row(record, self.layout, self.options))
            if awaited[order] == 0:
                yield self._assembled(order, open_rows.pop(order, []), counted[order])
        if any(awaited.values()) or self.rows != total:
            raise UnusableFileError(
                f"{self.table.path} changed while it was read. Import it again: nothing is ordered twice."
            )

    def _assembled(self, order: str, rows: list[Row], count: int) -> tuple[Assembled, Sequence[Row]]:
        if not rows:  # they were rejected one by one
            return _too_long(order, 0, count), rows
        assembled = assemble(order, rows, self.layout, self.options)
        if isinstance(assembled, Reject):
            self.on_reject(assembled, rows)
        return assembled, rows

    def _reject_long(self, order: str, record: Record, count: int) -> None:
        self.on_reject(_too_long(order, record.line, count), [Row(record.line, record.cells)])

    def _counted(self) -> Counter[str]:
        """Count the rows of each order. Raises UnusableFileError for a row that may belong to any."""
        counts: Counter[str] = Counter()
        doubtful: dict[str, list[Record]] = {}
        strays: list[Reject] = []
        self.stray_rows = 0
        is_leftmost = self.layout.places[Field.ORDER] == 0
        for record in self._records(None):
            order = order_of(record, self.layout)
            if record.fault and not record.cells:
                raise UnusableFileError(f"{self.table.path}: row {record.line}: {record.fault}")
            if not order:
                strays.append(self._stray(record))
            elif record.fault and not is_leftmost:  # its cells may have moved
                doubtful.setdefault(order, []).append(Record(record.line, [], record.fault))
            else:
                counts[order] += 1
        for order, records in doubtful.items():
            if order in counts:
                counts[order] += len(records)
            else:
                strays += map(self._stray, records)
        if strays and not self.options.skip_stray_rows:
            raise UnusableFileError(self._refusal(strays))
        return counts

    def _records(self, total: int | None) -> Iterator[Record]:
        """Yield the records that hold anything, and count all."""
        self.rows = self.blank_rows = 0
        for record in self.table.records():
            self.rows += 1
            if self.rows % PROGRESS_ROWS == 0:
                self._on_rows(self.rows, total)
            if record.is_blank:
                self.blank_rows += 1
            else:
                yield record
        self._on_rows(self.rows, total)

    def _stray(self, record: Record) -> Reject:
        reason = record.fault or "names no order"
        fault = Fault.NOT_CSV if record.fault else Fault.NO_ORDER_NUMBER
        return Reject("", record.line, self.layout.column(Field.ORDER), fault, reason)

    def _refusal(self, strays: Sequence[Reject]) -> str:
        shown = "; ".join(f"row {stray.row}: {stray.reason}" for stray in strays[:SHOWN_STRAYS])
        more = f"; {len(strays) - SHOWN_STRAYS:,} more" if len(strays) > SHOWN_STRAYS else ""
        return (
            f"{self.table.path}: {shown}{more}. Such a row may belong to any order, so nothing was placed. Correct it, or "
            "leave such rows out by --skip-stray-rows"
        )


def _too_long(order: str, row: int, count: int) -> Reject:
    return Reject(order, row, "", Fault.TOO_LONG, f"has {count:,} rows; an order takes {MAX_LINES:,} lines. Split it")
