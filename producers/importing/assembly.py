"""The rows of one order, put together: an order whose total is the invoice's, a credit note, or the reason why neither. Pure.

What the customer is charged is the sum of the lines and of the charges beside them. Whatever an invoice has beside its goods (postage, discounts, fees)
is therefore charged as what it is, left out, spread over the lines or made a line of its own, as the caller says by name; of what
the caller says nothing about, the order is not placed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

import msgspec

from producers.clients.orders import OrderLine
from producers.clients.requests import require_text
from producers.errors import InvalidOrderError
from producers.importing.billing import Charges, add_charge, bill
from producers.importing.faults import Fault, FaultError, Reject
from producers.importing.formats import CHARGES, ENDED, Field, is_adjustment, is_credit, is_goods
from producers.importing.layout import Layout
from producers.importing.options import CANCELLED, ReadOptions
from producers.importing.pricing import Priced, as_recorded, whole
from producers.importing.rows import Row, amount
from schemas.errors import UnknownCurrencyError
from schemas.money import minor_units

LEGACY_CURRENCY: Final = "GBP"
"""Imports knew no other currency once, and their fingerprints are on record."""
_ORDER_CHARGES: Final = (Field.DISCOUNT, Field.SHIPPING, Field.TAX, Field.FEE, Field.REFUND)
_SPREADSHEET_ID: Final = re.compile(r"(\d{1,18})\.0", re.ASCII)
"""A whole number as a spreadsheet or pandas writes it in a column with gaps."""


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """A whole order of the other system.

    `dated` is its date as the file writes it. `left_out` are the charges that were waived, in minor units of its currency.
    """

    number: str
    customer_id: str
    currency: str
    lines: tuple[OrderLine, ...]
    rows: int
    first_row: int
    dated: str = ""
    left_out: Mapping[str, int] = {}
    rounded_minor: int = 0
    shipping_minor: int = 0

    @property
    def fingerprint(self) -> bytes:
        """Digest of what is ordered, to notice an invoice that has changed; earlier ones knew nothing of charges."""
        shipping = (self.shipping_minor,) if self.shipping_minor else ()
        currency = () if self.currency == LEGACY_CURRENCY else (self.currency,)
        return hashlib.sha256(
            msgspec.msgpack.encode((self.customer_id, as_recorded(self.lines), *currency, *shipping))
        ).digest()


class CreditNote(msgspec.Struct, frozen=True, kw_only=True):
    """Goods that came back, with the units of each line positive. `credits` is the order's number, where the file has it."""

    number: str
    customer_id: str
    currency: str
    lines: tuple[OrderLine, ...]
    rows: int
    first_row: int
    credits: str = ""


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """A booking without goods or without a buyer, by the house rules of its data set."""

    number: str
    rows: int
    first_row: int


Assembled = Invoice | CreditNote | Adjustment | Reject


class _Head(NamedTuple):
    """An order's own value, and the row on which it stands."""

    text: str
    row: int


def assemble(order: str, rows: Sequence[Row], layout: Layout, options: ReadOptions) -> Assembled:
    """Return what all rows of an order are together."""
    if (reject := next((row.reject for row in rows if row.reject), None)) is not None:
        return reject
    try:
        return _assemble(order, rows, layout, options)
    except FaultError as error:
        is_price = error.fault is Fault.NOT_WHOLE and error.row
        column = error.column or (layout.column(Field.PRICE) if is_price else "")
        return Reject(order, error.row or rows[0].line, column, error.fault, error.reason)


def _assemble(order: str, rows: Sequence[Row], layout: Layout, options: ReadOptions) -> Assembled:
    heads = _heads(rows, layout)
    _require_open(heads, layout, options)
    currency = _currency(heads, layout)
    customer = _customer(order, heads, layout, options)
    lines, back, charges = _sorted_out(rows, currency, layout)
    about: dict[str, Any] = {"number": order, "rows": len(rows), "first_row": rows[0].line}
    if layout.by_uci_rules and _is_booking(order, heads, lines):
        return Adjustment(**about)
    if not lines and (back or (layout.by_uci_rules and is_credit(order))):
        returned = tuple(
            OrderLine(row.sku, -row.quantity, whole(row.unit, row.row, currency, "the price")) for row in back
        )
        credited = heads[Field.CREDITS].text if Field.CREDITS in heads else ""
        return CreditNote(**about, customer_id=customer, currency=currency, lines=returned, credits=credited)
    if layout.by_uci_rules and is_credit(order):
        raise FaultError(Fault.CONTRADICTION, "a credit note that sells goods", row=lines[0].row)
    kept = _net(lines, back, charges)
    if not kept:
        reason = "its rows cancel each other out" if lines else "it has no row of goods"
        raise FaultError(Fault.NOTHING_TO_ORDER, reason)
    billing = bill(kept, _with_order_charges(charges, heads, currency, layout, options), options, currency)
    if Field.TOTAL in heads:
        wanted = _minor(heads[Field.TOTAL], Field.TOTAL, currency, layout, options)
        settled = billing.settled(wanted, heads[Field.TOTAL].row, layout.column(Field.TOTAL))
    else:
        settled = billing.complete()
    return Invoice(
        **about,
        customer_id=customer,
        currency=currency,
        lines=settled.lines,
        dated=heads[Field.DATE].text if Field.DATE in heads else "",
        left_out=settled.left_out,
        rounded_minor=settled.rounded_minor,
        shipping_minor=settled.shipping_minor,
    )


# --- the order's own values -------------------------------------------------------------------------------------------


def _heads(rows: Sequence[Row], layout: Layout) -> dict[Field, _Head]:
    heads: dict[Field, _Head] = {}
    for row in rows:
        for field, text in row.heads.items():
            first = heads.setdefault(field, _Head(text, row.line))
            if first.text != text and field is not Field.DATE:  # one order may be written over two minutes
                raise FaultError(
                    Fault.CONTRADICTION,
                    f"is {text[:60]!r}, and {first.text[:60]!r} on row {first.row}",
                    row=row.line,
                    column=layout.column(field),
                )
    return heads


def _require_open(heads: Mapping[Field, _Head], layout: Layout, options: ReadOptions) -> None:
    """Raise FaultError for an order that the other system has ended, unless the caller waives that."""
    if CANCELLED in options.waived:
        return
    for field, head in heads.items():
        if field is Field.CANCELLED or (field is Field.STATUS and head.text.casefold() in ENDED):
            raise FaultError(
                Fault.ENDED,
                f"the order has ended there ({head.text[:60]}); --waive {CANCELLED} places it",
                row=head.row,
                column=layout.column(field),
            )


def _with_order_charges(
    charges: Charges, heads: Mapping[Field, _Head], currency: str, layout: Layout, options: ReadOptions
) -> Charges:
    """Return the charges of the rows and those of the order, by name, in minor units."""
    all_charges = dict(charges)
    for field in _ORDER_CHARGES:
        if head := heads.get(field):
            add_charge(all_charges, CHARGES[field], _minor(head, field, currency, layout, options))
    return all_charges


def _minor(head: _Head, field: Field, currency: str, layout: Layout, options: ReadOptions) -> Fraction:
    try:
        return Fraction(amount(head.text, field, layout, options)) * Fraction(10) ** minor_units(currency)
    except FaultError as error:
        raise error.at(row=head.row) from None


def _currency(heads: Mapping[Field, _Head], layout: Layout) -> str:
    head = heads.get(Field.CURRENCY)
    code = head.text if head else layout.currency
    column = layout.column(Field.CURRENCY)
    if not code:
        raise FaultError(Fault.UNKNOWN_CURRENCY, "no row names a currency; --currency gives one", column=column)
    try:
        minor_units(code)
    except UnknownCurrencyError as error:
        raise FaultError(Fault.UNKNOWN_CURRENCY, str(error), row=head.row if head else 0, column=column) from None
    return code


def _customer(order: str, heads: Mapping[Field, _Head], layout: Layout, options: ReadOptions) -> str:
    """Return who orders; an order without a customer is a guest's."""
    head = heads.get(Field.CUSTOMER)
    if head is None:
        return f"guest-{order}"
    spreadsheet = _SPREADSHEET_ID.fullmatch(head.text) if options.whole_customer_ids else None
    customer = spreadsheet[1] if spreadsheet else head.text
    try:
        require_text(InvalidOrderError, "customer", customer)
    except InvalidOrderError as error:
        column = layout.column(Field.CUSTOMER)
        raise FaultError(Fault.BEYOND_LIMITS, str(error), row=head.row, column=column) from None
    return customer


def is_spreadsheet_id(customer: str) -> bool:
    """Return whether a customer id looks like a whole number that a spreadsheet has turned into a decimal: 12345.0."""
    return _SPREADSHEET_ID.fullmatch(customer) is not None


def _is_booking(order: str, heads: Mapping[Field, _Head], lines: Sequence[Priced]) -> bool:
    """Return whether an invoice is none by the house rules: "A..." or stock written up, for nobody and nothing."""
    return is_adjustment(order) or (
        Field.CUSTOMER not in heads and bool(lines) and all(line.unit == 0 for line in lines) and not is_credit(order)
    )


# --- goods ------------------------------------------------------------------------------------------------------------


def _sorted_out(rows: Sequence[Row], currency: str, layout: Layout) -> tuple[list[Priced], list[Priced], Charges]:
    """Return the goods that go out, those that come back, and what else there is, by name, in minor units."""
    scale = 10 ** minor_units(currency)
    out: list[Priced] = []
    back: list[Priced] = []
    charges: Charges = {}
    for row in rows:
        for name, value in row.charges.items():
            add_charge(charges, name, Fraction(value) * scale)
        if not row.has_line:
            continue
        add_charge(charges, CHARGES[Field.ROW_DISCOUNT], Fraction(row.discount) * scale)
        unit = Fraction(row.price) * scale * (1 - Fraction(row.share))
        if layout.price_is_total:
            unit /= row.quantity
        if unit < 0 or (layout.by_uci_rules and not is_goods(row.sku)):
            add_charge(charges, row.sku, unit * row.quantity)
        else:
            (out if row.quantity > 0 else back).append(Priced(row.sku, row.quantity, unit, row.line))
    return out, back, charges


def _net(out: Sequence[Priced], back: Sequence[Priced], charges: Charges) -> list[Priced]:
    """Take off what a later row takes back of the same goods at the same price; what is left of that is a charge."""
    kept = list(out)
    for returned in back:
        units = -returned.quantity
        for place in reversed(range(len(kept))):
            line = kept[place]
            if (line.sku, line.unit) == (returned.sku, returned.unit):
                taken = min(units, line.quantity)
                kept[place] = line._replace(quantity=line.quantity - taken)
                units -= taken
        add_charge(charges, returned.sku, -units * returned.unit)
    return [line for line in kept if line.quantity]
