"""Rooms with one planted fault each: what the model must find, so that its silence about the real ones means something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from typing_extensions import override

from consumers.errors import RefusedError
from consumers.fulfilment.room import FulfilmentRoom
from consumers.inventory.evolve import evolve
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import HoldState, Ledger
from consumers.orders.room import OrdersRoom
from consumers.orders.state import Order
from consumers.payments.evolve import evolve as evolve_payment
from consumers.payments.processor import OperationKind
from consumers.payments.room import PaymentsRoom
from consumers.payments.sequence import start
from consumers.payments.state import Payment, QueuedOperation
from consumers.payments.store import PaymentsState
from consumers.runtime.deciding.now import Now
from consumers.runtime.order_keyed import OrderKeyedState
from consumers.runtime.room import Changes
from schemas import messages as m
from schemas.messages import Message
from tests.model.rooms import DEADLINES, Rooms
from topology.states import OVER_ORDER_STATES

Outcomes = Iterable[Message | RefusedError]


# --- inventory ----------------------------------------------------------------------------------------------------------


class ReleasesAgain(InventoryRoom):
    """Gives a released line's units back once more for every further ReleaseLine."""

    @override
    def decide(self, state: Ledger, message: Message, at_ms: int) -> Outcomes:
        if isinstance(message, m.ReleaseLine):
            hold = state.holds.get((message.order_id, message.line, message.sku))
            if hold is not None and hold.state is HoldState.RELEASED:
                fact = m.LineReleased(message.order_id, message.line, message.sku, hold.quantity, message.reason)
                evolve(state, message, [fact], Now(at_ms))
                return [fact]
        return super().decide(state, message, at_ms)


class ForgetsHolds(InventoryRoom):
    """Looks for no hold before it places a line: a duplicate reserves once more."""

    @override
    def decide(self, state: Ledger, message: Message, at_ms: int) -> Outcomes:
        if isinstance(message, m.PlaceOrderLine):
            key = (message.order_id, message.line, message.sku)
            state.holds.pop(key, None)
            state.held.discard(key)
        return super().decide(state, message, at_ms)


class JudgesLinesAlone(InventoryRoom):
    """Forgets that two lines of one order may want the same SKU."""

    @override
    def decide(self, state: Ledger, message: Message, at_ms: int) -> Outcomes:
        if isinstance(message, m.PlaceOrderLine) and message.quantity > 0:
            message = msgspec.structs.replace(message, demand=message.quantity)
        return super().decide(state, message, at_ms)


class SwallowsOtherContent(InventoryRoom):
    """Takes a stock command under a used id for a repeat, whatever it holds."""

    @override
    def decide(self, state: Ledger, message: Message, at_ms: int) -> Outcomes:
        if isinstance(message, m.SkuCommand) and (message.command_id, message.sku) in state.commands:
            return []
        return super().decide(state, message, at_ms)


# --- orders -------------------------------------------------------------------------------------------------------------


class IgnoresLateReservations(OrdersRoom):
    """Does not release a line that was reserved for an order that was over already."""

    @override
    def decide(self, state: OrderKeyedState[Order], message: Message, at_ms: int) -> Iterable[Any]:
        order = state.by_order.get(message.order_id) if isinstance(message, m.LineReserved) else None
        was_over = order is not None and order.state in OVER_ORDER_STATES
        outcomes = list(super().decide(state, message, at_ms))
        return [] if was_over else outcomes


class LosesReturns(OrdersRoom):
    """Decides to give committed lines back, and does not say so."""

    @override
    def decide(self, state: OrderKeyedState[Order], message: Message, at_ms: int) -> Iterable[Any]:
        return [outcome for outcome in super().decide(state, message, at_ms) if not isinstance(outcome, m.ReturnLine)]


class NeverGivesUp(OrdersRoom):
    """Waits for ever for lines that do not come."""

    @override
    def decide(self, state: OrderKeyedState[Order], message: Message, at_ms: int) -> Iterable[Any]:
        return [] if isinstance(message, m.EndWaits) else super().decide(state, message, at_ms)


class ComparesNothing(OrdersRoom):
    """Takes every line that is sent again for the one that was placed."""

    @override
    def decide(self, state: OrderKeyedState[Order], message: Message, at_ms: int) -> Outcomes:
        return [] if isinstance(message, m.LineRepeated) else super().decide(state, message, at_ms)


class KeepsUnplacedOrders(OrdersRoom):
    """Writes down an order that nobody placed, because somebody asked for something of it."""

    @override
    def decide(self, state: OrderKeyedState[Order], message: Message, at_ms: int) -> Outcomes:
        outcomes = list(super().decide(state, message, at_ms))
        if isinstance(message, m.OrderCommandUnmatched):
            state.keep(state.by_order.get(message.order_id) or Order(message.order_id))
        return outcomes


# --- payments -----------------------------------------------------------------------------------------------------------


class CapturesAgain(PaymentsRoom):
    """Asks for the money once more when it hears OrderPlaced once more."""

    @override
    def decide(self, state: PaymentsState, message: Message, at_ms: int) -> Iterable[Any]:
        known = state.by_order.get(message.order_id) if isinstance(message, m.OrderPlaced) else None
        known = known or Payment("")
        was_captured = known.latest(OperationKind.CAPTURE) is not None
        outcomes = list(super().decide(state, message, at_ms))
        if was_captured:
            again = start(known, QueuedOperation(OperationKind.CAPTURE, "", known.amount_minor))
            evolve_payment(known, message, [again], Now(at_ms))
            state.operations.append(again)
        return outcomes


class KeepsTheMoney(PaymentsRoom):
    """Takes no notice of a cancellation once the money is captured."""

    @override
    def decide(self, state: PaymentsState, message: Message, at_ms: int) -> Iterable[Any]:
        if isinstance(message, m.OrderCancelled) and state.by_order[message.order_id].captured_minor:
            return []
        return super().decide(state, message, at_ms)


class NeverLooks(PaymentsRoom):
    """Cancels what nobody was heard to confirm without asking whether anybody has."""

    @override
    def close_batch(self, state: PaymentsState, at_ms: int) -> Changes:
        changes = super().close_batch(state, at_ms)
        changes.effects = [msgspec.structs.replace(operation, unconfirmed_id="") for operation in changes.effects]
        return changes


class NeverInspects(PaymentsRoom):
    """Takes no notice of what others do at the processor."""

    @override
    def decide(self, state: PaymentsState, message: Message, at_ms: int) -> Iterable[Any]:
        return [] if isinstance(message, m.InspectPayment) else super().decide(state, message, at_ms)


# --- fulfilment ---------------------------------------------------------------------------------------------------------


class ShipsWhatIsCancelled(FulfilmentRoom):
    """Says that an order can be cancelled whose lines are on their way out."""

    @override
    def decide(self, state: Any, message: Message, at_ms: int) -> Iterable[Any]:
        outcomes = list(super().decide(state, message, at_ms))
        if isinstance(message, m.OrderCancelRequested):
            return [m.FulfilmentCancelled(message.order_id, message.reason, message.requested_by)]
        return outcomes


class RefundsWithoutReturn(FulfilmentRoom):
    """Pays a return back as soon as it is approved, wherever the goods are."""

    @override
    def decide(self, state: Any, message: Message, at_ms: int) -> Iterable[Any]:
        outcomes = list(super().decide(state, message, at_ms))
        if isinstance(message, m.ApproveReturn) and outcomes:
            outcomes.append(m.RefundRequested(message.order_id, "line:1", 101, "approved"))
        return outcomes


class RefundsTooMuch(FulfilmentRoom):
    """Adds a cent to each refund."""

    @override
    def decide(self, state: Any, message: Message, at_ms: int) -> Iterable[Any]:
        for outcome in super().decide(state, message, at_ms):
            if isinstance(outcome, m.RefundRequested):
                yield msgspec.structs.replace(outcome, amount_minor=outcome.amount_minor + 1)
            else:
                yield outcome


_NOBODY: Final[Any] = None
PLANTED: Final[dict[str, Rooms]] = {
    "a late reservation is ignored": Rooms(orders=IgnoresLateReservations(deadlines=DEADLINES)),
    "a release is not idempotent": Rooms(inventory=ReleasesAgain()),
    "an undo is lost": Rooms(orders=LosesReturns(deadlines=DEADLINES)),
    "lines that never come are waited for": Rooms(orders=NeverGivesUp(deadlines=DEADLINES)),
    "money is captured twice": Rooms(payments=CapturesAgain(_NOBODY, _NOBODY, deadlines=DEADLINES)),
    "a cancelled order's money is kept": Rooms(payments=KeepsTheMoney(_NOBODY, _NOBODY, deadlines=DEADLINES)),
    "a lost confirmation is not looked for": Rooms(payments=NeverLooks(_NOBODY, _NOBODY, deadlines=DEADLINES)),
    "money that others move is not noticed": Rooms(payments=NeverInspects(_NOBODY, _NOBODY, deadlines=DEADLINES)),
    "a duplicate is not recognised": Rooms(inventory=ForgetsHolds()),
    "lines are judged alone": Rooms(inventory=JudgesLinesAlone()),
    "another command under a used id is swallowed": Rooms(inventory=SwallowsOtherContent()),
    "another line under a used number is swallowed": Rooms(orders=ComparesNothing(deadlines=DEADLINES)),
    "an order that nobody placed is kept": Rooms(orders=KeepsUnplacedOrders(deadlines=DEADLINES)),
    "a cancelled order is shipped": Rooms(fulfilment=ShipsWhatIsCancelled(deadlines=DEADLINES)),
    "money goes back without the goods": Rooms(fulfilment=RefundsWithoutReturn(deadlines=DEADLINES)),
    "a refund has the wrong sum": Rooms(fulfilment=RefundsTooMuch(deadlines=DEADLINES)),
}
