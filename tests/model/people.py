"""What people do when they hear of an order: ship it, deliver or lose it, send it back, cancel it, ask again.

They hear each fact once, as a shop's screens and customers' letters tell it, and act late, early, twice or not at all.
Zero is always the plainest: everything is shipped in one parcel, which arrives, and nobody sends anything back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from consumers.payments.refunds import STILL_HELD
from schemas import messages as m
from schemas.messages import Message, OrderedLine
from tests.model.dice import Pick

MOST_PARCELS: Final = 4
"""Parcels that one order is tried to be sent in; those that are refused count."""


class People:
    """One case's customers, merchants, carriers and strangers. `stuck` are orders that a person has to help."""

    def __init__(self, pick: Pick) -> None:
        self.pick = pick
        self.stuck: dict[str, None] = {}
        self._lines: dict[str, tuple[OrderedLine, ...]] = {}
        self._names: dict[str, int] = {}

    def apply(self, fact: Message) -> list[Message]:
        """Return what people will say because of this fact."""
        react = _REACTIONS.get(type(fact))
        return react(self, fact) if react is not None else []

    def help_all(self) -> list[Message]:
        """See to every order that is stuck."""
        orders, self.stuck = list(self.stuck), {}
        return [self._help(order_id) for order_id in orders]

    # --- sending ----------------------------------------------------------------------------------------------------------

    def _ship(self, fact: m.OrderPaid | m.OrderPlaced) -> list[Message]:
        if not fact.lines:
            return self._change_mind(fact)
        order_id, pick = fact.order_id, self.pick
        self._lines[order_id] = fact.lines
        numbers = tuple(line.line for line in fact.lines)
        roll = pick(8)
        wishes: list[Message] = []
        if roll in (0, 1, 2):
            wishes = [self._parcel(order_id)]
        elif roll in (3, 4):
            wishes = [self._parcel(order_id, numbers[:1]), self._parcel(order_id)]
        elif roll == 5:
            wishes = [self._parcel(order_id, numbers[-1:])]
        elif roll == 6:
            wishes = [self._parcel(order_id, (*numbers, 9)), self._parcel(order_id, numbers[:1] * 2)]
        if pick(10) == 1:
            wishes.append(m.RefundOrder(order_id, self._name(order_id, "R"), 1 + pick(250), "kindness"))
        if pick(16) == 1:
            wishes.append(self._meddle(order_id))
        return wishes + self._change_mind(fact)

    def _parcel(self, order_id: str, lines: tuple[int, ...] = ()) -> Message:
        return m.ShipOrder(order_id, self._name(order_id, "S"), lines, "post", "T1")

    def _after_refusal(self, fact: m.OrderCommandRefused) -> list[Message]:
        if fact.reason == STILL_HELD:
            self.stuck[fact.order_id] = None
        sendable = fact.command == "ShipOrder" and self._names.get(f"{fact.order_id} S", 0) < MOST_PARCELS
        return [self._parcel(fact.order_id)] if sendable and self.pick(2) else []

    def _meddle(self, order_id: str) -> Message:
        line = self._lines[order_id][self.pick(len(self._lines[order_id]))]
        if self.pick(2):
            return m.ShipLine(order_id, line.line, line.sku)
        return m.ReturnLine(order_id, line.line, line.sku, "meddling")

    def _deliver(self, fact: m.ShipmentShipped) -> list[Message]:
        roll = self.pick(8)
        arrived: Message = m.ConfirmDelivery(fact.order_id, fact.shipment_id)
        lost: Message = m.ReportLostParcel(fact.order_id, fact.shipment_id, "lost")
        return ([arrived], [arrived], [arrived], [lost], [arrived, lost], [], [], [arrived])[roll]

    # --- sending back -----------------------------------------------------------------------------------------------------

    def _send_back(self, fact: m.ShipmentDelivered) -> list[Message]:
        order_id, roll = fact.order_id, self.pick(6)
        one = tuple(line.line for line in self._lines.get(order_id, ()))[:1]
        if roll == 1:
            return [self._request_return(order_id)]
        if roll == 2:
            return [self._request_return(order_id, one)]
        if roll == 3:
            return [self._request_return(order_id, one), self._request_return(order_id)]
        return []

    def _request_return(self, order_id: str, lines: tuple[int, ...] = ()) -> Message:
        return m.RequestReturn(order_id, self._name(order_id, "B"), lines, "too small")

    def _judge_return(self, fact: m.ReturnRequested) -> list[Message]:
        roll = self.pick(6)
        yes: Message = m.ApproveReturn(fact.order_id, fact.return_id)
        no: Message = m.RefuseReturn(fact.order_id, fact.return_id, "worn")
        return ([yes], [yes], [yes], [no], [yes, no], [])[roll]

    def _receive(self, fact: m.ReturnApproved) -> list[Message]:
        order_id, return_id, roll = fact.order_id, fact.return_id, self.pick(6)
        if roll == 5:
            return []
        whole: Message = m.ReceiveReturn(order_id, return_id, (), ("available", "quarantine")[self.pick(2)])
        if roll in (3, 4):
            one = tuple(line.line for line in self._lines.get(order_id, ()))[:1]
            part: Message = m.ReceiveReturn(order_id, return_id, one)
            return [part, whole][: roll - 2]
        return [whole]

    # --- money and changes of mind ----------------------------------------------------------------------------------------

    def _despair(self, fact: m.PaymentVoidFailed | m.PaymentRefundFailed) -> list[Message]:
        self.stuck[fact.order_id] = None
        return [self._help(fact.order_id)] if self.pick(2) else []

    def _help(self, order_id: str) -> Message:
        if self.pick(3) == 1:
            return m.ResolveOrder(order_id, "support", "paid back by hand")
        return m.RetryOrder(order_id, "support")

    def _change_mind(self, fact: Any) -> list[Message]:
        if self.pick(14) != 1:
            return []
        return [m.CancelOrder(fact.order_id, ("customer", "merchant")[self.pick(2)], "changed my mind")]

    def _name(self, order_id: str, what: str) -> str:
        number = self._names[f"{order_id} {what}"] = self._names.get(f"{order_id} {what}", 0) + 1
        return f"{what}{number}"


_REACTIONS: Final[Mapping[type[Message], Callable[[People, Any], list[Message]]]] = MappingProxyType(
    {
        m.OrderReserved: People._change_mind,
        m.PaymentRequiresAction: People._change_mind,
        m.PaymentAuthorized: People._change_mind,
        m.OrderPlaced: People._ship,
        m.OrderPaid: People._ship,
        m.ShipmentRequested: People._change_mind,
        m.OrderShipped: People._change_mind,
        m.OrderCommandRefused: People._after_refusal,
        m.ShipmentShipped: People._deliver,
        m.ShipmentDelivered: People._send_back,
        m.ReturnRequested: People._judge_return,
        m.ReturnApproved: People._receive,
        m.PaymentVoidFailed: People._despair,
        m.PaymentRefundFailed: People._despair,
    }
)
