"""Numbers as people and programs write them: read exactly, or refused with what would have to be said."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from producers.importing.faults import Fault, FaultError
from schemas.limits import MAX_QUANTITY

MAX_SHOWN: Final = 40

_PLAIN: Final = {
    False: re.compile(r"[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})", re.ASCII),
    True: re.compile(r"[+-]?(\d{1,18}(,\d{0,18})?|,\d{1,18})", re.ASCII),
}
"""A number without thousands separators, by whether its decimals follow a comma."""
_GROUPED: Final = {
    False: re.compile(r"[+-]?\d{1,3}(,\d{3}){1,5}\.\d{1,18}", re.ASCII),
    True: re.compile(r"[+-]?\d{1,3}(\.\d{3}){1,5},\d{1,18}", re.ASCII),
}
"""One with them, which must have decimals too: 1,204 is twelve hundred or one and a bit."""
_SEPARATED: Final = re.compile(r"[+-]?\d{1,3}([.,]\d{3})+", re.ASCII)


def number(text: str, *, decimal_comma: bool) -> Decimal:
    """Return the number that a cell holds, exactly. Raises FaultError."""
    if _PLAIN[decimal_comma].fullmatch(text):
        return Decimal(text.replace(",", "."))
    if _GROUPED[decimal_comma].fullmatch(text):
        return Decimal(text.replace("." if decimal_comma else ",", "").replace(",", "."))
    raise FaultError(Fault.NOT_A_NUMBER, _why_not(text, decimal_comma=decimal_comma))


def quantity(text: str, *, decimal_comma: bool) -> int:
    """Return the whole number of units that a cell holds; 5.0 is 5. Raises FaultError."""
    units = number(text, decimal_comma=decimal_comma)
    if _SEPARATED.fullmatch(text):
        raise FaultError(Fault.NOT_A_NUMBER, f"{text} can be read in two ways; write it without decimals")
    if units != int(units):
        raise FaultError(Fault.NOT_WHOLE, f"{text} is no whole number of units")
    if abs(units) > MAX_QUANTITY:
        raise FaultError(Fault.BEYOND_LIMITS, f"{text} units are more than the {MAX_QUANTITY:,} of a line")
    return int(units)


def _why_not(text: str, *, decimal_comma: bool) -> str:
    shown = repr(text[:MAX_SHOWN])
    if not text:
        return "is empty"
    if _PLAIN[not decimal_comma].fullmatch(text) or _GROUPED[not decimal_comma].fullmatch(text):
        if _SEPARATED.fullmatch(text):
            return f"{shown} can be read in two ways; write it without a thousands separator, or with its decimals"
        meant = "is read without --decimal-comma" if decimal_comma else "needs --decimal-comma"
        return f"{shown} is no number with a decimal {'comma' if decimal_comma else 'point'}; it {meant}"
    return f"{shown} is no number such as {'1234,50' if decimal_comma else '1234.50'}"
