"""A file of stock to receive before the orders: units by SKU, all of it or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from producers.clients.requests import require_text
from producers.clients.stock import Receipt
from producers.errors import InvalidReceiptError, UnusableFileError
from producers.importing.faults import FaultError
from producers.importing.formats import normalised
from producers.importing.numbers import quantity
from producers.importing.table import DELIMITERS, Record, encoding_of, opened, read_records
from schemas.limits import MAX_QUANTITY

SKU_COLUMNS: Final = frozenset({"sku", "stockcode", "productid", "item", "article"})
UNIT_COLUMNS: Final = frozenset({"quantity", "units", "qty", "onhand", "stock"})
SHOWN_FAULTS: Final = 5
DIGEST_CHARACTERS: Final = 16


def stock_in(path: Path) -> list[Receipt]:
    """Return the receipts of a file with a column of SKUs and one of units, named as in `SKU_COLUMNS` and `UNIT_COLUMNS`.

    Their ids derive from what the file holds, so the same file received again changes nothing. Raises UnusableFileError for a
    file of which any row cannot be read.
    """
    encoding, _ = encoding_of(path, "")
    headers = {delimiter: _header(path, encoding, delimiter) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda candidate: len(headers[candidate]))
    sku_place, unit_place = _places(path, headers[delimiter])
    units: dict[str, int] = {}
    faults: list[str] = []
    with opened(path, encoding) as text:
        records = read_records(text, delimiter, len(headers[delimiter]))
        next(records, None)
        for record in records:
            if record.is_blank:
                continue
            try:
                sku, received = _read(record, sku_place, unit_place)
                units[sku] = units.get(sku, 0) + received
            except (FaultError, InvalidReceiptError) as error:
                faults.append(f"row {record.line}: {error}")
    if faults or not units:
        more = f"; {len(faults) - SHOWN_FAULTS:,} more" if len(faults) > SHOWN_FAULTS else ""
        raise UnusableFileError(f"{path}: {'; '.join(faults[:SHOWN_FAULTS]) or 'it has no row of stock'}{more}")
    return list(_receipts(units))


def _header(path: Path, encoding: str, delimiter: str) -> list[str]:
    with opened(path, encoding) as text:
        return next(read_records(text, delimiter, None), Record(1, [])).cells


def _places(path: Path, header: Sequence[str]) -> tuple[int, int]:
    names = [normalised(name) for name in header]
    places = [
        next((at for at, name in enumerate(names) if name in wanted), None) for wanted in (SKU_COLUMNS, UNIT_COLUMNS)
    ]
    if places[0] is None or places[1] is None:
        raise UnusableFileError(
            f"{path} begins with {', '.join(header)[:200]!r}; its columns must be named sku and quantity"
        )
    return places[0], places[1]


def _read(record: Record, sku_place: int, unit_place: int) -> tuple[str, int]:
    if record.fault:
        raise InvalidReceiptError(record.fault)
    sku = record.cells[sku_place].strip(" \t")
    require_text(InvalidReceiptError, "the SKU", sku)
    received = quantity(record.cells[unit_place].strip(" \t"), decimal_comma=False)
    if received < 0:
        raise InvalidReceiptError(f"{received} units of {sku} cannot come in")
    return sku, received


def _receipts(units: dict[str, int]) -> Iterator[Receipt]:
    digest = hashlib.sha256(msgspec.msgpack.encode(sorted(units.items()))).hexdigest()[:DIGEST_CHARACTERS]
    for sku, total in units.items():
        for part, begin in enumerate(range(0, total, MAX_QUANTITY), start=1):
            quantity_ = min(MAX_QUANTITY, total - begin)
            yield Receipt(sku=sku, quantity=quantity_, command_id=f"stock-file-{digest}/{part}")
