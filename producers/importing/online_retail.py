"""Reads the "Online Retail" CSV format: orders for goods, and a count of every row that is none.

Chen, D. (2015), Online Retail, UCI Machine Learning Repository, doi:10.24432/C5BW33. An invoice's rows are not
contiguous, so a file is read twice: once to count each invoice's rows, once to hand an order out as soon as its last row
has come. Memory grows with the number of invoices and with the rows of those that are open, not with the file.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

import msgspec

from producers.clients.orders import OrderLine
from producers.errors import UnusableFileError
from schemas.errors import InexactAmountError
from schemas.limits import MAX_LINES, MAX_QUANTITY, MAX_TEXT, MAX_UNIT_PRICE_MINOR
from schemas.money import to_minor

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER: Final = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
CURRENCY: Final = "GBP"
PROGRESS_ROWS: Final = 1_000

_GOODS: Final = re.compile(r"\d{5}|DCGS")
"""What a stock code of goods begins with: five digits, or the Dotcomgiftshop range. The rest is money, not goods:
POST, DOT, C2 and CARRIAGE (delivery), D (discount), M, S, B, BANK CHARGES, AMAZONFEE, CRUK, PADS, gift_... (vouchers)."""
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})", re.ASCII)

OnRows = Callable[[int, int | None], None]
"""Told (rows read, rows in all); the second is None while they are being counted."""


class Skipped(StrEnum):
    """Why a row became no order line."""

    BLANK = "blank"
    UNREADABLE = "unreadable"
    CANCELLATION = "cancellation"
    ADJUSTMENT = "adjustment"
    NOT_GOODS = "not_goods"
    QUANTITY_NOT_POSITIVE = "quantity_not_positive"
    PRICE_NOT_POSITIVE = "price_not_positive"
    PRICE_NOT_IN_PENCE = "price_not_in_pence"
    BEYOND_LIMITS = "beyond_limits"
    ORDER_TOO_LONG = "order_too_long"
    ORDER_BEYOND_LIMITS = "order_beyond_limits"


class Row(NamedTuple):
    """One row for goods."""

    invoice: str
    customer_id: str
    line: OrderLine


class Invoice(NamedTuple):
    """A whole order of the other system, its lines in the order of the file."""

    number: str
    customer_id: str
    lines: tuple[OrderLine, ...]

    @property
    def fingerprint(self) -> bytes:
        """Digest of what is ordered, to notice an invoice that has changed."""
        return hashlib.sha256(msgspec.msgpack.encode((self.customer_id, self.lines))).digest()


class RetailFile:
    """One file. `rows` and `skipped` are complete once `invoices()` is exhausted; `skipped` counts rows by reason."""

    def __init__(self, path: Path, on_rows: OnRows = lambda _rows, _total: None) -> None:
        self.path = path
        self.encoding = ""
        self.rows = 0
        self.skipped: Counter[Skipped] = Counter()
        self._on_rows = on_rows

    def invoices(self) -> Iterator[Invoice]:
        """Yield each order when its last row has come. Raises UnusableFileError for a file that is none of these."""
        awaited = self._count()
        total = self.rows
        open_rows: dict[str, list[Row]] = {}
        self.rows, self.skipped = 0, Counter()
        for row in self._read(total):
            if awaited[row.invoice] > MAX_LINES:
                self.skipped[Skipped.ORDER_TOO_LONG] += 1
                continue
            rows = open_rows.setdefault(row.invoice, [])
            rows.append(row)
            if len(rows) == awaited[row.invoice]:
                yield _invoice(open_rows.pop(row.invoice))
        if open_rows or self.rows != total:
            raise UnusableFileError(
                f"{self.path} changed while it was read. Import it again: nothing is ordered twice."
            )

    def skip(self, invoice: Invoice, reason: Skipped) -> None:
        """Count the rows of an order that turned out to be none."""
        self.skipped[reason] += len(invoice.lines)

    def _count(self) -> Counter[str]:
        """Count the rows for goods of each invoice, and find out the encoding: UTF-8, or else Latin-1."""
        for encoding in ("utf-8-sig", "latin-1"):
            self.encoding, self.rows, self.skipped = encoding, 0, Counter()
            try:
                return Counter(row.invoice for row in self._read(None))
            except UnicodeDecodeError:
                continue
        raise AssertionError  # every sequence of bytes is Latin-1

    def _read(self, total: int | None) -> Iterator[Row]:
        """Yield the rows for goods; count all, and those that are skipped by reason."""
        with _opened(self.path, self.encoding) as file:
            reader = csv.reader(file)
            self._require_header(_next(reader))
            before = reader.line_num
            while (fields := _next(reader)) is not None:
                read = _row(fields)
                # A quote that never ends swallows lines: each of them was a row.
                rows = 1 if isinstance(read, Row) else reader.line_num - before
                before = reader.line_num
                self._advance(rows, total)
                if isinstance(read, Row):
                    yield read
                else:
                    self.skipped[read] += rows
        self._on_rows(self.rows, total)

    def _advance(self, rows: int, total: int | None) -> None:
        if self.rows // PROGRESS_ROWS != (self.rows + rows) // PROGRESS_ROWS:
            self._on_rows(self.rows + rows, total)
        self.rows += rows

    def _require_header(self, fields: Sequence[str] | None) -> None:
        if fields is None or tuple(name.strip() for name in fields) != HEADER:
            raise UnusableFileError(
                f"{self.path} begins with {','.join(fields or ())[:200]!r}, not with {','.join(HEADER)!r}. "
                "Export it as comma-separated values in UTF-8 or Latin-1, with these columns in this order."
            )


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[TextIO]:
    try:
        if not path.is_file():
            raise UnusableFileError(f"{path} is no file; it is read twice, so it must be a regular one")
        file = path.open(encoding=encoding, newline="")
    except OSError as error:
        raise UnusableFileError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield file


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    """Return the next row; one that is no CSV has no columns that anyone could know, which is not a blank one's none."""
    try:
        return next(reader, None)
    except csv.Error:
        return ["", ""]


def _row(fields: list[str]) -> Row | Skipped:
    if not any(fields) and len(fields) <= 1:
        return Skipped.BLANK
    if len(fields) != len(HEADER):
        return Skipped.UNREADABLE
    invoice, code, _, quantity, _, price, customer, _ = (field.strip() for field in fields)
    if not (invoice and code and _INTEGER.fullmatch(quantity) and _DECIMAL.fullmatch(price)):
        return Skipped.UNREADABLE
    # One product is written 85123A and 85123a in the data; two spellings would be two stocks.
    invoice, sku = invoice.upper(), code.upper()
    if (reason := _not_an_order(invoice, sku, int(quantity), Decimal(price))) is not None:
        return reason
    try:
        price_minor = to_minor(Decimal(price), CURRENCY)
    except InexactAmountError:
        return Skipped.PRICE_NOT_IN_PENCE
    row = Row(invoice, customer or f"guest-{invoice}", OrderLine(sku, int(quantity), price_minor))
    return row if _within_limits(row) else Skipped.BEYOND_LIMITS


def _not_an_order(invoice: str, sku: str, quantity: int, price: Decimal) -> Skipped | None:
    if invoice.startswith("C"):
        return Skipped.CANCELLATION
    if invoice.startswith("A"):
        return Skipped.ADJUSTMENT
    if _GOODS.match(sku) is None:
        return Skipped.NOT_GOODS
    if quantity <= 0:
        return Skipped.QUANTITY_NOT_POSITIVE
    return Skipped.PRICE_NOT_POSITIVE if price <= 0 else None


def _within_limits(row: Row) -> bool:
    texts = (row.invoice, row.customer_id, row.line.sku)
    return (
        row.line.quantity <= MAX_QUANTITY
        and row.line.unit_price_minor <= MAX_UNIT_PRICE_MINOR
        and all(len(text) <= MAX_TEXT and text.isprintable() for text in texts)
    )


def _invoice(rows: list[Row]) -> Invoice:
    """Put an invoice together; a customer named on any of its rows is its customer."""
    number = rows[0].invoice
    guest = f"guest-{number}"
    customer_id = next((row.customer_id for row in rows if row.customer_id != guest), guest)
    return Invoice(number, customer_id, tuple(row.line for row in rows))
