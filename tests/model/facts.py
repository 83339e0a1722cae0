"""What a finished case left behind, brought together by order: what was said once, whose goods are where, whose money."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import msgspec

from schemas import messages as m
from tests.model.accounting import COMMITTED, SHIPPED, Key
from tests.model.shop import Shop

HAS_UNITS: Final = frozenset({COMMITTED, SHIPPED})


class OrderFacts(msgspec.Struct):
    """One order. `said` is what the rooms said about it, each thing as often as they said it, `price` by line and SKU."""

    order_id: str
    order: Any = None
    payment: Any = None
    said: dict[type[m.Message], list[Any]] = msgspec.field(default_factory=lambda: defaultdict(list))
    price: dict[Key, int] = msgspec.field(default_factory=dict)
    stands: dict[Key, str] = msgspec.field(default_factory=dict)
    asked_refunds: set[str] = msgspec.field(default_factory=set)
    captured: int = 0
    refunded: int = 0
    voided: int = 0
    held: int = 0
    authorized: int = 0

    def of(self, kind: type[m.Message]) -> list[Any]:
        """Return what was said of this kind."""
        return self.said.get(kind, [])

    @property
    def lost(self) -> set[int]:
        """Return the lines whose parcel was lost."""
        return {line for fact in self.of(m.ShipmentLost) for line in fact.lines}

    @property
    def goods_minor(self) -> int:
        """Return what the goods cost that the customer has, or that still are to be sent."""
        return sum(
            self.price[key] for key, stands in self.stands.items() if stands in HAS_UNITS and key[1] not in self.lost
        )

    @property
    def kindness_minor(self) -> int:
        """Return what was given back without goods, because a person asked for it."""
        return sum(fact.amount_minor for fact in self.of(m.PaymentRefunded) if fact.refund_id in self.asked_refunds)


def facts_of(shop: Shop) -> dict[str, OrderFacts]:
    """Return every order that anything was said about."""
    found: dict[str, OrderFacts] = {}

    def of(order_id: str) -> OrderFacts:
        facts = found.get(order_id)
        if facts is None:
            facts = found[order_id] = OrderFacts(order_id)
        return facts

    for seat in shop.seats.values():
        for (heard, _), says in seat.history:
            if type(heard) is m.RefundOrder:
                of(heard.order_id).asked_refunds.add(heard.refund_id)
            for said in says:
                if isinstance(said, m.Message):
                    of(said.order_id).said[type(said)].append(said)  # type: ignore[attr-defined]  # all have one
    for facts in found.values():
        for it in facts.of(m.LineReserved):
            facts.price.setdefault((it.order_id, it.line, it.sku), it.quantity * it.unit_price_minor)
    for books in shop.books:
        for key, stands in books.life.items():
            of(key[0]).stands[key] = stands
    for account in shop.processor.accounts.values():
        facts = of(account.order_id)
        for name in ("authorized", "captured", "voided", "refunded", "held"):
            setattr(facts, name, getattr(facts, name) + getattr(account, name))
    for (room, _), seat in shop.seats.items():
        if room == "orders":
            for order_id, order in seat.state.orders.items():
                of(order_id).order = order
        elif room == "payments":
            for order_id, payment in seat.state.payments.items():
                of(order_id).payment = payment
    return found
