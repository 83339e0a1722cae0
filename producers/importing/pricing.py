"""Unit prices in whole minor units: exact, rounded as the caller says, or with an amount spread over them. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Final, NamedTuple

from producers.checkout.charges import apportion
from producers.clients.orders import OrderLine
from producers.importing.faults import Fault, FaultError
from producers.importing.options import Rounding
from schemas.money import minor_units

_HALF: Final = Fraction(1, 2)
_ROUND: Final[Mapping[Rounding, Callable[[Fraction], int]]] = MappingProxyType(
    {
        Rounding.HALF_UP: lambda value: math.floor(value + _HALF),
        Rounding.HALF_EVEN: round,
        Rounding.DOWN: math.floor,
        Rounding.UP: math.ceil,
        Rounding.SPLIT: lambda value: math.floor(value + _HALF),
    }
)


class Priced(NamedTuple):
    """`quantity` units of a SKU at `unit` minor units each, perhaps a fraction; `row` is where it stands in the file."""

    sku: str
    quantity: int
    unit: Fraction
    row: int

    @property
    def total(self) -> Fraction:
        """What all units cost, in minor units."""
        return self.unit * self.quantity


def whole(value: Fraction, row: int, currency: str, what: str) -> int:
    """Return an amount in minor units. Raises FaultError for a fraction of one."""
    if value.denominator != 1:
        raise FaultError(Fault.NOT_WHOLE, f"{what} is {_major(value, currency)}, a fraction of a minor unit", row=row)
    return int(value)


def priced(lines: Sequence[Priced], currency: str, rounding: Rounding | None) -> list[Priced]:
    """Return the lines with totals in whole minor units. Raises FaultError for one that is not, without `rounding`.

    Unit prices are whole then too, except under SPLIT, which rounds the total of a line at most.
    """
    return [_rounded(line, currency, rounding) for line in lines]


def _rounded(line: Priced, currency: str, rounding: Rounding | None) -> Priced:
    if line.unit.denominator == 1:
        return line
    if rounding is None:
        raise FaultError(
            Fault.NOT_WHOLE,
            f"the price of one {line.sku} is {_major(line.unit, currency)}, a fraction of a minor unit; "
            f"--round {Rounding.HALF_UP} rounds it, --round {Rounding.SPLIT} keeps the row's total",
            row=line.row,
        )
    if rounding is Rounding.SPLIT:
        return line._replace(unit=Fraction(_ROUND[rounding](line.total), line.quantity))
    return line._replace(unit=Fraction(_ROUND[rounding](line.unit)))


def spread_over(lines: Sequence[Priced], amount: int, currency: str) -> Iterator[OrderLine]:
    """Yield the order's lines, which cost `amount` minor units more (or less) than `lines`, each in proportion.

    The minor units that do not come out even go to the lines that are nearest to one more. Raises FaultError where there is
    less than nothing left to pay, or no price to spread over.
    """
    totals = [int(line.total) for line in lines]
    everything = sum(totals)
    if amount and (not everything or everything + amount < 0):
        money = f"{_major(Fraction(amount), currency)} {currency}"
        raise FaultError(
            Fault.CHARGE, f"{money} cannot be spread over lines of {_major(Fraction(everything), currency)}"
        )
    if amount:
        shares = [divmod(amount * total, everything) for total in totals]
        nearest = sorted(range(len(lines)), key=lambda at: -shares[at][1])
        left = amount - sum(share for share, _ in shares)
        totals = [total + share for total, (share, _) in zip(totals, shares, strict=True)]
        for at in nearest[:left]:
            totals[at] += 1
    for line, total in zip(lines, totals, strict=True):
        yield from _split(line.sku, line.quantity, total)


def as_recorded(lines: Sequence[OrderLine]) -> tuple[tuple[str | int, ...], ...]:
    """Return lines as they have been on record from the first: without charges where there are none."""
    return tuple(line if any(line[3:]) else line[:3] for line in lines)


def charged(lines: Sequence[OrderLine], discount_minor: int, tax_minor: int) -> tuple[OrderLine, ...]:
    """Return the lines with a discount and tax handed out to them. Raises FaultError where they cannot bear it."""
    prices = [line.quantity * line.unit_price_minor for line in lines]
    if not 0 <= discount_minor <= sum(prices) or not 0 <= tax_minor <= sum(prices) - discount_minor:
        raise FaultError(Fault.CHARGE, "the charges are more than the goods cost; place it with --spread or --waive")
    discounts = apportion(discount_minor, prices)
    taxes = apportion(tax_minor, [price - less for price, less in zip(prices, discounts, strict=True)])
    return tuple(
        line._replace(discount_minor=less, tax_minor=tax)
        for line, less, tax in zip(lines, discounts, taxes, strict=True)
    )


def _split(sku: str, quantity: int, total: int) -> Iterator[OrderLine]:
    """Yield one line, or two a minor unit apart, that cost `total` together."""
    unit, dearer = divmod(total, quantity)
    yield OrderLine(sku, quantity - dearer, unit)
    if dearer:
        yield OrderLine(sku, dearer, unit + 1)


def _major(minor: Fraction, currency: str) -> str:
    return f"{float(minor) / 10 ** minor_units(currency):.8g}"
