"""What messages are made of."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False):
    """What all messages have in common: immutable, comparable by value, and no concern of the garbage collector's."""


class OrderedLine(msgspec.Struct, frozen=True, gc=False):
    """One line of an order as others need it: `quantity` whole units of a SKU at `unit_price_minor` each.

    `discount_minor` is what the whole line costs less, `tax_minor` the tax that is added to it.
    """

    line: int
    sku: str
    quantity: int
    unit_price_minor: int
    discount_minor: int = 0
    tax_minor: int = 0

    @property
    def amount_minor(self) -> int:
        """What the line costs, in minor units of its order's currency."""
        return self.quantity * self.unit_price_minor - self.discount_minor + self.tax_minor
