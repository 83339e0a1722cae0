"""Credit notes as returns: which lines of which imported order one takes back. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from producers.clients.requests import require_text
from producers.errors import InvalidOrderCommandError
from producers.importing.assembly import CreditNote
from producers.importing.pricing import as_recorded
from producers.importing.register import Imported, Return
from schemas.messages import RequestReturn

UCI_CREDIT_PREFIX: Final = "C"
"""What a credit note's number begins with in the UCI data sets."""


def numbers_of(credit: CreditNote, *, by_uci_rules: bool) -> tuple[str, ...]:
    """Return the numbers of the order that a credit note may be of: the one it names, else its own."""
    if credit.credits:
        return (credit.credits,)
    return (
        (credit.number, credit.number[1:])
        if by_uci_rules and credit.number[:1].upper() == UCI_CREDIT_PREFIX
        else (credit.number,)
    )


def returned_by(credit: CreditNote, orders: Sequence[Imported], numbers: Sequence[str]) -> Return | str:
    """Return the lines that a credit note takes back, or why no imported order has them.

    `orders` are the customer's, the latest first, and those of `numbers`; where one of these is there, no other counts.
    A return takes back whole lines, and money for what they cost: units and price must be those of the order.
    """
    if not credit.lines:
        return "it credits money, not goods"
    named = [order for order in orders if order.number in numbers]
    if credit.credits and not named:
        return f"no imported order has the number {credit.credits}"
    for order in named or orders:
        if lines := _lines_of(credit, order):
            return Return(order.order_id, lines, fingerprint(credit))
    if not orders:
        return f"no imported order is of customer {credit.customer_id}"
    which = f"order {named[0].number}" if named else f"{len(orders):,} imported orders of {credit.customer_id}"
    return f"{which}: no whole lines, not returned before, with its units at its prices"


def _lines_of(credit: CreditNote, order: Imported) -> tuple[int, ...]:
    """Return the lines of an order that a credit note takes back, none if it does not fit."""
    if order.currency != credit.currency:
        return ()
    free = {number: line for number, line in enumerate(order.lines, start=1) if number not in order.returned}
    taken = []
    for wanted in credit.lines:
        number = next((number for number, line in free.items() if line == wanted), None)
        if number is None:
            return ()
        del free[number]
        taken.append(number)
    return tuple(sorted(taken))


def request_return(source: str, credit: CreditNote, returned: Return) -> RequestReturn:
    """Return the command of a credit note; sent again it is the same. Raises InvalidOrderCommandError for names too long."""
    reason = f"credit note {credit.number}"
    return_id = f"credit-{source}-{credit.number}"
    require_text(InvalidOrderCommandError, "the return id", return_id)
    require_text(InvalidOrderCommandError, "the reason", reason)
    return RequestReturn(returned.order_id, return_id, returned.lines, reason)


def fingerprint(credit: CreditNote) -> bytes:
    """Return a digest of what is credited, to notice a credit note that has changed."""
    content = (credit.customer_id, credit.currency, as_recorded(credit.lines), credit.credits)
    return hashlib.sha256(msgspec.msgpack.encode(content)).digest()
