"""What an order's customer is charged: its lines, with each charge beside the goods treated as the caller says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Final, NamedTuple

import msgspec

from producers.clients.orders import OrderLine
from producers.importing.faults import Fault, FaultError
from producers.importing.formats import CHARGES, Field
from producers.importing.options import TOTAL, ReadOptions
from producers.importing.pricing import Priced, charged, priced, spread_over, whole
from schemas.money import format_minor, minor_units

REFUND: Final = CHARGES[Field.REFUND]
"""Money that went back after the order: no part of its total, so it can only be waived."""
TAX: Final = CHARGES[Field.TAX]
"""What prices may hold already: the order's total shows whether they do."""

MAX_EXPLAINING: Final = 3
"""Charges that are named together as what makes a total differ."""

Charges = dict[str, Fraction]
"""Amounts beside the goods by name, in minor units, reductions negative; none is 0."""


class Settled(NamedTuple):
    """An order's lines as they are placed, what was left out of them by name, what rounding added, and shipping, in minor units."""

    lines: tuple[OrderLine, ...]
    left_out: Mapping[str, int]
    rounded_minor: int
    shipping_minor: int


def add_charge(charges: Charges, name: str, value: Fraction) -> None:
    """Add an amount to the charge of this name."""
    if total := charges.get(name, Fraction(0)) + value:
        charges[name] = total
    else:
        charges.pop(name, None)


def bill(goods: Sequence[Priced], charges: Charges, options: ReadOptions, currency: str) -> Bill:
    """Return what an order of these goods and charges is charged. Raises FaultError."""
    lines = priced(goods, currency, options.rounding)
    exact = sum((priced_line.total for priced_line in goods), Fraction(0))
    return _bill(lines, sum(line.total for line in lines) - exact, charges, options, currency)


class Bill(msgspec.Struct, frozen=True):
    """An order's lines, what is spread over them, what is left out or charged, and the charges about which the caller says nothing."""

    goods: list[Priced]
    rounded: Fraction
    charges: Charges
    options: ReadOptions
    currency: str
    lines: list[Priced]
    spread: int
    waived: Charges
    charged: Charges
    untreated: Charges

    @property
    def total(self) -> Fraction:
        """What the order would come to with all that is left out of it."""
        beside = self.spread + _sum_without_refund(self.waived) + sum(self.charged.values())
        return sum((line.total for line in self.lines), beside)

    def complete(self) -> Settled:
        """Return the order's lines where no total is known: nothing may be untreated. Raises FaultError."""
        if self.untreated:
            raise FaultError(
                Fault.CHARGE, f"{_shown(self.untreated, self.currency)} beside the goods; {_ways(self.untreated)}"
            )
        return self._placed(self.spread, self.waived)

    def settled(self, wanted: Fraction, row: int, column: str) -> Settled:
        """Return the order's lines where its total is known, in minor units. Raises FaultError where they differ from it."""
        if self._comes_to(wanted):
            return self._placed(self.spread, self.waived)
        if TAX in self.charges:
            rest = {name: value for name, value in self.charges.items() if name != TAX}
            included = _bill(self.goods, self.rounded, rest, self.options, self.currency)
            if included._comes_to(wanted):  # noqa: SLF001  its own class
                return included._placed(included.spread, included.waived)  # noqa: SLF001
        difference = wanted - self.total
        if TOTAL in self.options.spread:
            return self._placed(self.spread + whole(difference, 0, self.currency, TOTAL), self.waived)
        if TOTAL in self.options.waived:
            return self._placed(self.spread, {**self.waived, TOTAL: difference})
        charges = _explaining(self.untreated, difference)
        beside = f" ({_shown(charges, self.currency)} beside them)" if charges else ""
        raise FaultError(
            Fault.TOTAL_DIFFERS,
            f"the order's total is {_money(wanted, self.currency)}, its lines come to {_money(self.total, self.currency)}"
            f"{beside}; {_ways(charges or {TOTAL: difference})}",
            row=row,
            column=column,
        )

    def _comes_to(self, wanted: Fraction) -> bool:
        """Return whether the total is the wanted one, before rounding or after."""
        return wanted - self.total in {Fraction(0), -self.rounded}

    def _placed(self, spread: int, left_out: Charges) -> Settled:
        if REFUND in self.untreated:
            raise FaultError(
                Fault.CHARGE,
                f"{_shown({REFUND: self.untreated[REFUND]}, self.currency)} went back already; --waive {REFUND} places it",
            )
        minor = {name: whole(value, 0, self.currency, name) for name, value in self.charged.items()}
        less = -sum(value for value in minor.values() if value < 0)
        tax = max(0, minor.get(TAX, 0))
        return Settled(
            lines=charged(list(spread_over(self.lines, spread, self.currency)), less, tax),
            left_out={name: round(value) for name, value in left_out.items()},
            rounded_minor=round(self.rounded),
            shipping_minor=sum(value for name, value in minor.items() if value > 0 and name != TAX),
        )


def _bill(goods: list[Priced], rounded: Fraction, charges: Charges, options: ReadOptions, currency: str) -> Bill:
    lines, spread = list(goods), 0
    waived: Charges = {}
    beside: Charges = {}
    untreated: Charges = {}
    for name, value in sorted(charges.items()):
        key = name.casefold()
        if key in options.waived:
            waived[name] = value
        elif name == REFUND:
            untreated[name] = value
        elif key in options.spread:
            spread += whole(value, 0, currency, name)
        elif key in options.charged:
            beside[name] = value
        elif key in options.as_lines:
            lines.append(_as_line(name, value, options.as_lines[key], currency))
        else:
            untreated[name] = value
    return Bill(goods, rounded, charges, options, currency, lines, spread, waived, beside, untreated)


def _as_line(name: str, value: Fraction, sku: str, currency: str) -> Priced:
    if value < 0:
        raise FaultError(
            Fault.CHARGE, f"{_shown({name: value}, currency)} cannot be a line; place it with --spread {name}"
        )
    return Priced(sku, 1, Fraction(whole(value, 0, currency, name)), 0)


def _sum_without_refund(charges: Charges) -> Fraction:
    return sum((value for name, value in charges.items() if name != REFUND), Fraction(0))


def _shown(charges: Charges, currency: str) -> str:
    return ", ".join(f"{name} {_money(value, currency)}" for name, value in sorted(charges.items()))


def _money(minor: Fraction, currency: str) -> str:
    if minor.denominator == 1:
        return format_minor(int(minor), currency)
    return f"{currency} {float(minor) / 10 ** minor_units(currency):.8g}"


def _explaining(charges: Charges, difference: Fraction) -> Charges:
    """Return the fewest charges that come to a difference, or all where none do."""
    for size in range(1, min(len(charges), MAX_EXPLAINING) + 1):
        for names in combinations(sorted(charges), size):
            if sum(charges[name] for name in names) == difference:
                return {name: charges[name] for name in names}
    return charges


def _ways(charges: Charges) -> str:
    names = ",".join(sorted(charges))
    one = min(charges)
    return f"place it with --charge {names}, --waive {names}, --spread {names} or --as-line {one}=SKU"
