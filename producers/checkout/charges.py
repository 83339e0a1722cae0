"""What a quote charges beside the prices: discounts, tax and shipping by simple rules. Pure; money is integer minor units.

A discount or a tax is reckoned once over the lines that it is about, rounded half up, and handed out to them by largest remainder,
so that the parts are the whole to the last minor unit. What an order loses later (a line that is not to be had, a return) takes its own
parts with it; shipping is the order's.

Decision: docs/decisions, 047.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WHOLE_BP: Final = 10_000
"""Rates are in basis points: hundredths of a percent."""


class Discount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a code is worth: a rate of what the lines cost, or a fixed amount that is never above it."""

    rate_bp: int = 0
    amount_minor: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError unless exactly one is given and makes sense; msgspec names the place."""
        if not 0 <= self.rate_bp <= WHOLE_BP or self.amount_minor < 0 or bool(self.rate_bp) == bool(self.amount_minor):
            raise ValueError(f"give rate_bp, 1 to {WHOLE_BP:,}, or amount_minor")


class ChargeRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of a shop; none of them: nothing is charged beside the prices.

    `shipping_minor` is what shipping costs, nothing from goods of `shipping_free_from_minor` on (after discounts, before added tax).
    `tax_bp` is the rate of categories that `tax_bp_by_category` does not name, and of shipping where tax is added.
    """

    shipping_minor: int = 0
    shipping_free_from_minor: int | None = None
    tax_bp: int = 0
    tax_bp_by_category: dict[str, int] = {}
    prices_include_tax: bool = True
    discounts: dict[str, Discount] = {}

    def __post_init__(self) -> None:
        """Raise ValueError for a rule that makes no sense; msgspec names the place."""
        if not all(0 <= rate <= WHOLE_BP for rate in (self.tax_bp, *self.tax_bp_by_category.values())):
            raise ValueError(f"a rate of tax is 0 to {WHOLE_BP:,} basis points")
        if self.shipping_minor < 0:
            raise ValueError("shipping_minor is negative")

    def tax_of(self, category: str) -> int:
        """Return the rate of a category (`Kitchen/Mugs`): that of the nearest one above it that has its own, in basis points."""
        while category:
            if (rate := self.tax_bp_by_category.get(category)) is not None:
                return rate
            category = category.rpartition("/")[0]
        return self.tax_bp


class LineCharge(msgspec.Struct, frozen=True):
    """What one line has of the charges; `included_minor` is tax that its price contains already."""

    discount_minor: int = 0
    tax_minor: int = 0
    included_minor: int = 0


class Charges(msgspec.Struct, frozen=True):
    """What an order is charged beside its prices, its lines in their order. Tax that shipping contains is `shipping_included_minor`."""

    lines: tuple[LineCharge, ...]
    shipping_minor: int = 0
    shipping_included_minor: int = 0


NO_RULES: Final = ChargeRules()


def charges_of(rules: ChargeRules, lines: Sequence[tuple[int, str]], code: str = "") -> Charges:
    """Return what lines are charged, each (what its units cost, its category). An unknown code gives nothing."""
    prices = [price_minor for price_minor, _ in lines]
    discounts = apportion(_discount(rules.discounts.get(code), sum(prices)), prices)
    net = [price - less for price, less in zip(prices, discounts, strict=True)]
    taxes = _taxes(rules, net, [rules.tax_of(category) for _, category in lines])
    if rules.prices_include_tax:
        charged = tuple(LineCharge(less, 0, tax) for less, tax in zip(discounts, taxes, strict=True))
    else:
        charged = tuple(LineCharge(less, tax) for less, tax in zip(discounts, taxes, strict=True))
    return Charges(charged, *(_shipping(rules, sum(net)) if lines else (0, 0)))


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Return parts of a total in proportion to their weights, by largest remainder, of equal ones the first.

    The parts are the total to the unit, and none is above its weight where the total is not above all weights together. Raises
    ValueError for a total that nothing bears.
    """
    whole = sum(weights)
    if not total:
        return [0] * len(weights)
    if total < 0 or whole <= 0:
        raise ValueError(f"{total} cannot be handed out to {whole}")
    parts = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: (-(total * weights[place] % whole), place))
    for place in by_remainder[: total - sum(parts)]:
        parts[place] += 1
    return parts


def half_up(numerator: int, denominator: int) -> int:
    """Return a fraction that is not negative, rounded to a whole number, a half upwards."""
    return (2 * numerator + denominator) // (2 * denominator)


def _discount(discount: Discount | None, price_minor: int) -> int:
    if discount is None:
        return 0
    return min(price_minor, discount.amount_minor or half_up(price_minor * discount.rate_bp, WHOLE_BP))


def _taxes(rules: ChargeRules, net: Sequence[int], rates: Sequence[int]) -> list[int]:
    """Return the tax of each line, reckoned once for each rate."""
    taxes = [0] * len(net)
    for rate in set(rates):
        places = [place for place, each in enumerate(rates) if each == rate]
        weights = [net[place] for place in places]
        base = WHOLE_BP + rate if rules.prices_include_tax else WHOLE_BP
        for place, tax in zip(places, apportion(half_up(sum(weights) * rate, base), weights), strict=True):
            taxes[place] = tax
    return taxes


def _shipping(rules: ChargeRules, goods_minor: int) -> tuple[int, int]:
    """Return what shipping costs, and what of it is tax where prices contain it."""
    if rules.shipping_free_from_minor is not None and goods_minor >= rules.shipping_free_from_minor:
        return 0, 0
    if rules.prices_include_tax:
        return rules.shipping_minor, half_up(rules.shipping_minor * rules.tax_bp, WHOLE_BP + rules.tax_bp)
    return rules.shipping_minor + half_up(rules.shipping_minor * rules.tax_bp, WHOLE_BP), 0


def read_charges(path: Path | None) -> ChargeRules:
    """Return the rules in a JSON file; no file: none. Raises msgspec.ValidationError or DecodeError naming what is wrong with it."""
    return NO_RULES if path is None else msgspec.json.decode(path.read_bytes(), type=ChargeRules)
