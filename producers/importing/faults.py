"""What can be wrong with a row or an order of a file, and where it stands."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Fault(StrEnum):
    """The kind of a fault, by which reports count."""

    NOT_CSV = "not_csv"
    NO_ORDER_NUMBER = "no_order_number"
    EMPTY = "empty"
    NOT_A_NUMBER = "not_a_number"
    NOT_WHOLE = "not_whole"
    NEGATIVE = "negative"
    BEYOND_LIMITS = "beyond_limits"
    TOO_LONG = "too_long"
    UNKNOWN_CURRENCY = "unknown_currency"
    CONTRADICTION = "contradiction"
    ENDED = "ended"
    CHARGE = "charge"
    TOTAL_DIFFERS = "total_differs"
    NOTHING_TO_ORDER = "nothing_to_order"
    CREDIT_NOTE = "credit_note"
    ADJUSTMENT = "adjustment"
    CHANGED = "changed"


class Reject(msgspec.Struct, frozen=True):
    """Why an order is not placed. `row` is the line of the file on which the record at fault begins; the header is on line 1.

    `order` is empty for a record that names none, `column` for a fault of the order as a whole.
    """

    order: str
    row: int
    column: str
    fault: Fault
    reason: str

    def __str__(self) -> str:
        """Return the fault as a line of a report."""
        place = f"row {self.row}" + (f", column {self.column}" if self.column else "")
        return f"{self.order or 'no order'}: {place}: {self.reason}"


class FaultError(Exception):
    """A row or an order cannot be understood; whoever reads it knows where it stands."""

    def __init__(self, fault: Fault, reason: str, *, row: int = 0, column: str = "") -> None:
        super().__init__(reason)
        self.fault, self.reason, self.row, self.column = fault, reason, row, column

    def at(self, *, row: int = 0, column: str = "") -> FaultError:
        """Return the error with its place, where it had none."""
        self.row, self.column = self.row or row, self.column or column
        return self
