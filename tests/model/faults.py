"""Rooms with one planted fault each: what the model must find, so that its silence about the real ones means something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from typing_extensions import override

from consumers.errors import RefusedError
from consumers.inventory.evolve import evolve
from consumers.inventory.ledger import HoldState, Ledger
from consumers.inventory.room import InventoryRoom
from consumers.orders.order import Order
from consumers.orders.room import OrdersRoom
from consumers.orders.store import OrderBook
from consumers.payments.payment import operation_id
from consumers.payments.processor import OperationKind
from consumers.payments.room import PaymentsRoom
from consumers.payments.store import PaymentBook
from schemas import messages as m
from schemas.messages import Message
from tests.model.shop import Rooms
from topology.states import FINAL_ORDER_STATES, PaymentState


class IgnoresLateReservations(OrdersRoom):
    """Does not release a line that was reserved for an order that was over already."""

    @override
    def decide(self, state: OrderBook, message: Message, at_ms: int) -> Iterable[Message]:
        was_over = _order(state, message).state in FINAL_ORDER_STATES
        said = list(super().decide(state, message, at_ms))
        return [] if was_over and isinstance(message, m.LineReserved) else said


class ReleasesAgain(InventoryRoom):
    """Gives a released line's units back once more for every further ReleaseLine."""

    @override
    def decide(self, state: Ledger, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        if isinstance(message, m.ReleaseLine):
            hold = state.holds.get((message.order_id, message.line, message.sku))
            if hold is not None and hold.state is HoldState.RELEASED:
                fact = m.LineReleased(message.order_id, message.line, message.sku, hold.quantity, message.reason)
                evolve(state, fact, at_ms)
                return [fact]
        return super().decide(state, message, at_ms)


class LosesReturns(OrdersRoom):
    """Decides to give committed lines back, and does not say so."""

    @override
    def decide(self, state: OrderBook, message: Message, at_ms: int) -> Iterable[Message]:
        return [said for said in super().decide(state, message, at_ms) if not isinstance(said, m.ReturnLine)]


class CapturesAgain(PaymentsRoom):
    """Asks for the money once more when it hears OrderPlaced once more."""

    @override
    def decide(self, state: PaymentBook, message: Message, at_ms: int) -> Iterable[Message]:
        said = list(super().decide(state, message, at_ms))
        if isinstance(message, m.OrderPlaced):
            kind = OperationKind.CAPTURE
            known = state.payment(message.order_id).state in (PaymentState.CAPTURING, PaymentState.CAPTURED)
            if known:
                state.started[operation_id(message.order_id, kind)] = (message.order_id, kind, at_ms)
        return said


class ForgetsHolds(InventoryRoom):
    """Looks for no hold before it places a line: a duplicate reserves once more."""

    @override
    def decide(self, state: Ledger, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        if isinstance(message, m.PlaceOrderLine):
            key = (message.order_id, message.line, message.sku)
            state.holds.pop(key, None)
            state.held.discard(key)
        return super().decide(state, message, at_ms)


class JudgesLinesAlone(InventoryRoom):
    """Forgets that two lines of one order may want the same SKU."""

    @override
    def decide(self, state: Ledger, message: Message, at_ms: int) -> Iterable[Message | RefusedError]:
        if isinstance(message, m.PlaceOrderLine) and message.quantity > 0:
            message = _alone(message)
        return super().decide(state, message, at_ms)


def _alone(line: m.PlaceOrderLine) -> m.PlaceOrderLine:
    fields: dict[str, Any] = {name: getattr(line, name) for name in line.__struct_fields__}
    return m.PlaceOrderLine(**{**fields, "demand": line.quantity})


def _order(book: OrderBook, message: Message) -> Order:
    return book.order(message.order_id)  # type: ignore[attr-defined]  # every fact about an order has one


_NOBODY: Final[Any] = None
PLANTED: Final[dict[str, Rooms]] = {
    "a late reservation is ignored": Rooms(orders=IgnoresLateReservations()),
    "a release is not idempotent": Rooms(inventory=ReleasesAgain()),
    "an undo is lost": Rooms(orders=LosesReturns()),
    "money is captured twice": Rooms(payments=CapturesAgain(_NOBODY, _NOBODY)),
    "a duplicate is not recognised": Rooms(inventory=ForgetsHolds()),
    "lines are judged alone": Rooms(inventory=JudgesLinesAlone()),
}
