"""One record of a file as a row of an order: what each of its cells means. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from producers.clients.requests import require_text
from producers.errors import InvalidOrderError
from producers.importing.faults import Fault, FaultError, Reject
from producers.importing.formats import CHARGES, OF_THE_ORDER, REDUCTIONS, Field
from producers.importing.layout import Layout
from producers.importing.numbers import number, quantity
from producers.importing.options import ReadOptions, SkuCase
from producers.importing.table import Record

BLANKS: Final = " \t"
"""What may stand around a value without being part of it. All other white space is refused with the value."""
NOTHING: Final = Decimal(0)
_LINE: Final = (Field.SKU, Field.QUANTITY, Field.PRICE)
_ROW_CHARGES: Final = (Field.ROW_SHIPPING, Field.ROW_TAX)


class Row(msgspec.Struct):
    """One row. `price` is that of one unit, or of all of the row's units where the layout says so, in major units.

    `share` of the row's total is taken off it; `discount` (negative) is what else was. `heads` are the order's own values as they are written.
    A row with `has_line` false only carries such values.
    """

    line: int
    cells: list[str]
    sku: str = ""
    quantity: int = 0
    price: Decimal = NOTHING
    discount: Decimal = NOTHING
    share: Decimal = NOTHING
    charges: Mapping[str, Decimal] = {}
    heads: Mapping[Field, str] = {}
    has_line: bool = True
    reject: Reject | None = None


def order_of(record: Record, layout: Layout) -> str:
    """Return the order that a record names, empty where none can be read."""
    place = layout.places[Field.ORDER]
    return record.cells[place].strip(BLANKS) if place < len(record.cells) else ""


def read_row(record: Record, layout: Layout, options: ReadOptions) -> Row:
    """Return what a record means; what is wrong with it stands in `reject`."""
    row = Row(record.line, record.cells)
    if record.fault:
        row.reject = Reject(order_of(record, layout), record.line, "", Fault.NOT_CSV, record.fault)
        return row
    try:
        _read(row, layout, options)
    except FaultError as error:
        row.reject = Reject(order_of(record, layout), record.line, error.column, error.fault, error.reason)
    return row


def _read(row: Row, layout: Layout, options: ReadOptions) -> None:
    cells = row.cells
    texts = {field: cells[place].strip(BLANKS) for field, place in layout.places.items()}
    _require(texts[Field.ORDER], Field.ORDER, layout)
    row.heads = {field: texts[field] for field in OF_THE_ORDER if texts.get(field)}
    row.has_line = any(texts.get(field) for field in _LINE)
    if row.has_line:
        _read_line(row, texts, layout, options)
    row.charges = {
        CHARGES[field]: amount(texts[field], field, layout, options) for field in _ROW_CHARGES if texts.get(field)
    }


def _read_line(row: Row, texts: Mapping[Field, str], layout: Layout, options: ReadOptions) -> None:
    sku = texts[Field.SKU]
    _require(sku, Field.SKU, layout)
    row.sku = sku if options.sku_case is SkuCase.KEEP else getattr(sku, options.sku_case.value)()
    if Field.QUANTITY in texts:
        try:
            row.quantity = quantity(texts[Field.QUANTITY], decimal_comma=options.decimal_comma)
        except FaultError as error:
            raise error.at(column=layout.column(Field.QUANTITY)) from None
    else:
        row.quantity = layout.quantity or 0
    if not row.quantity:
        raise FaultError(Fault.NOT_WHOLE, "0 units", column=layout.column(Field.QUANTITY))
    row.price = amount(texts[Field.PRICE], Field.PRICE, layout, options)
    if texts.get(Field.ROW_DISCOUNT):
        row.discount = amount(texts[Field.ROW_DISCOUNT], Field.ROW_DISCOUNT, layout, options)
    if texts.get(Field.ROW_DISCOUNT_SHARE):
        row.share = amount(texts[Field.ROW_DISCOUNT_SHARE], Field.ROW_DISCOUNT_SHARE, layout, options)
        if not 0 <= row.share <= 1:
            raise FaultError(
                Fault.NOT_A_NUMBER,
                f"{row.share} is no share; 0.05 stands for 5 %",
                column=layout.column(Field.ROW_DISCOUNT_SHARE),
            )


def amount(text: str, field: Field, layout: Layout, options: ReadOptions) -> Decimal:
    """Return the amount in a cell, in major units; a reduction is negative, however it is written. Raises FaultError."""
    try:
        figure = number(text, decimal_comma=options.decimal_comma)
    except FaultError as error:
        raise error.at(column=layout.column(field)) from None
    return -abs(figure) if field in REDUCTIONS else figure


def _require(text: str, field: Field, layout: Layout) -> None:
    column = layout.column(field)
    if not text:
        raise FaultError(Fault.EMPTY, "is empty", column=column)
    try:
        require_text(InvalidOrderError, column, text)
    except InvalidOrderError as error:
        raise FaultError(Fault.BEYOND_LIMITS, str(error), column=column) from None
