"""What a finished case left behind, brought together by order: what was said once, whose goods are where, whose money."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import msgspec

from schemas import messages as m
from tests.model.accounting import COMMITTED, SHIPPED, Key
from tests.model.end import End
from tests.model.processor import Account
from tests.model.simulated_owner import SimulatedOwner
from topology.saga import INTAKE

HAS_UNITS: Final = frozenset({COMMITTED, SHIPPED})


class OrderFacts(msgspec.Struct):
    """One order. `said` is what the rooms said about it, each thing as often as they said it, `price` by line and SKU."""

    order_id: str
    order: Any = None
    payment: Any = None
    published: dict[type[m.Message], list[Any]] = msgspec.field(default_factory=lambda: defaultdict(list))
    price: dict[Key, int] = msgspec.field(default_factory=dict)
    stands: dict[Key, str] = msgspec.field(default_factory=dict)
    meddled: set[Key] = msgspec.field(default_factory=set)
    asked_refunds: set[str] = msgspec.field(default_factory=set)
    captured: int = 0
    refunded: int = 0
    voided: int = 0
    held: int = 0
    authorized: int = 0
    lost_minor: int = 0
    strangers_refunded: int = 0
    is_touched: bool = False

    def of(self, kind: type[m.Message]) -> list[Any]:
        """Return what was said of this kind."""
        return self.published.get(kind, [])

    @property
    def lost(self) -> set[int]:
        """Return the lines whose parcel was lost."""
        return {line for fact in self.of(m.ShipmentLost) for line in fact.lines}

    @property
    def sent_unpaid(self) -> set[int]:
        """Return the lines that a stranger sent out before their money was captured, which then was refused."""
        refused = {failure.reference for failure in self.of(m.PaymentCaptureFailed)}
        parcels = (set(shipment.lines) for shipment in self.of(m.ShipmentShipped) if shipment.shipment_id in refused)
        return set().union(*parcels) & {key[1] for key in self.meddled}

    @property
    def goods_minor(self) -> int:
        """Return what the goods cost that the customer has, or that still are to be sent, with the shipping of a sale."""
        gone = self.lost | self.sent_unpaid
        goods = (self.price[key] for key, stands in self.stands.items() if stands in HAS_UNITS and key[1] not in gone)
        return sum(goods) + self._shipping_minor

    @property
    def _shipping_minor(self) -> int:
        """Return what shipping costs, which is paid once with a sale and goes back with all of it only."""
        own = {ordered.line for paid in self.of(m.OrderPaid) for ordered in paid.lines}
        if not own or self.of(m.OrderCancelled):
            return 0
        return next((reserved.shipping_minor for reserved in self.of(m.LineReserved) if reserved.line in own), 0)

    @property
    def kindness_minor(self) -> int:
        """Return what was given back without goods, because a person asked for it."""
        by_hand: list[int] = [
            fact.amount_minor
            for fact in self.of(m.PaymentResolved)
            if self.payment.attempts[fact.operation_id].reference in self.asked_refunds
        ]
        done: list[int] = [
            fact.amount_minor for fact in self.of(m.PaymentRefunded) if fact.refund_id in self.asked_refunds
        ]
        return sum(done) + sum(by_hand)


class _FactsByOrder(dict[str, OrderFacts]):
    """Orders by id, each made when it is first asked for."""

    def __missing__(self, order_id: str) -> OrderFacts:
        facts = self[order_id] = OrderFacts(order_id)
        return facts


def facts_of(end: End) -> dict[str, OrderFacts]:
    """Return every order that anything was said about."""
    by_order = _FactsByOrder()
    for (room, _), owner in end.owners.items():
        if room != INTAKE:  # what it passes on is what people have asked
            _take_history(by_order, owner)
        _take_state(by_order, room, owner.state)
    for facts in by_order.values():
        for reserved in facts.of(m.LineReserved):
            price_minor = reserved.quantity * reserved.unit_price_minor - reserved.discount_minor + reserved.tax_minor
            facts.price.setdefault((reserved.order_id, reserved.line, reserved.sku), price_minor)
    for key in end.meddled:
        by_order[key[0]].meddled.add(key)
    for books in end.books:
        for key, stands in books.life.items():
            by_order[key[0]].stands[key] = stands
    for account in end.accounts:
        _add(by_order[account.order_id], account)
    return by_order


def _take_history(by_order: _FactsByOrder, owner: SimulatedOwner) -> None:
    for (accepted, _), outcomes in owner.history:
        if type(accepted) is m.RefundOrder:
            by_order[accepted.order_id].asked_refunds.add(accepted.refund_id)
        for outcome in outcomes:
            if isinstance(outcome, m.Message):
                by_order[outcome.order_id].published[type(outcome)].append(outcome)  # type: ignore[attr-defined]  # all have one


def _take_state(by_order: _FactsByOrder, room: str, state: Any) -> None:
    if room == "orders":
        for order_id, order in state.by_order.items():
            by_order[order_id].order = order
    elif room == "payments":
        for order_id, payment in state.by_order.items():
            by_order[order_id].payment = payment


def _add(facts: OrderFacts, account: Account) -> None:
    facts.authorized += account.authorized
    facts.captured += account.captured
    facts.voided += account.voided
    facts.refunded += account.refunded
    facts.held += account.held
    facts.lost_minor += account.lost
    facts.strangers_refunded += account.strangers_refunded
    facts.is_touched |= account.is_touched
