"""How each outcome changes a fulfilment, with evolve_by_message.py the only writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from consumers.fulfilment.evolve_by_message import BY_MESSAGE, received_of
from consumers.fulfilment.refunds import line_of_refund
from consumers.fulfilment.state import (
    IN_WAREHOUSE,
    SHIPMENT,
    Fulfilment,
    LineState,
    Return,
    Shipment,
    ShipmentState,
    line_of_order,
    next_wait,
)
from schemas import messages as m
from schemas.terms import CAPTURE_AT_SHIPPING
from topology.states import FulfilmentState, ReturnState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message


def evolve(fulfilment: Fulfilment, message: Message, outcomes: Iterable[Message], now: Now) -> bool:
    """Record the message, then what was decided about it. Return whether anything changed."""
    if fulfilment.state is FulfilmentState.NONE and not isinstance(message, m.PaymentChangedExternally):
        return _open(fulfilment, message, now)
    if fulfilment.state is FulfilmentState.CANCELLED:
        return False
    before = fulfilment.copy()
    if (record := BY_MESSAGE.get(type(message))) is not None:
        record(fulfilment, message)
    for outcome in outcomes:
        if (apply := _BY_OUTCOME.get(type(outcome))) is not None:
            apply(fulfilment, message, outcome, now)
    if fulfilment == before:
        return False
    fulfilment.waits_for, fulfilment.deadline_ms = next_wait(fulfilment)
    fulfilment.updated_at_ms = now.at_ms
    return True


def begins(fact: m.OrderPaid | m.OrderPlaced) -> bool:
    """Tell whether there is something to ship from now on: once the money is in, or where it is captured with each parcel."""
    return bool(fact.lines) and (isinstance(fact, m.OrderPaid) or CAPTURE_AT_SHIPPING in fact.terms.split())


def _open(fulfilment: Fulfilment, message: Message, now: Now) -> bool:
    if not isinstance(message, m.OrderPaid | m.OrderPlaced) or not begins(message):
        return False
    is_paid = isinstance(message, m.OrderPaid)
    fulfilment.state = FulfilmentState.OPEN
    fulfilment.captures_at_shipping = not is_paid
    fulfilment.ship_by_ms = now.at_ms + now.deadlines.ship_within_ms
    fulfilment.lines = {line.line: line_of_order(line, is_captured=is_paid) for line in message.lines}
    fulfilment.waits_for, fulfilment.deadline_ms = SHIPMENT, fulfilment.ship_by_ms
    fulfilment.updated_at_ms = now.at_ms
    return True


def _request(fulfilment: Fulfilment, message: Message, outcome: m.ShipmentRequested, *_: object) -> None:
    """Put lines into a parcel: a ShipOrder's wait for their money, the one of a LineShipped has left already."""
    asked, carrier, tracking = outcome.lines, "", ""
    if isinstance(message, m.ShipOrder):
        asked, carrier, tracking = message.lines, message.carrier, message.tracking
    fulfilment.shipments[outcome.shipment_id] = Shipment(asked, outcome.lines, carrier, tracking)
    for number in outcome.lines:
        line = fulfilment.lines[number]
        state = LineState.REQUESTED if line.state is LineState.OPEN else line.state
        fulfilment.lines[number] = replace(line, state=state, shipment_id=outcome.shipment_id)


def _leave(fulfilment: Fulfilment, message: Message, outcome: m.ShipLine, *_: object) -> None:
    del message
    fulfilment.lines[outcome.line] = replace(fulfilment.lines[outcome.line], state=LineState.LEAVING)


def _ship(fulfilment: Fulfilment, message: Message, outcome: m.ShipmentShipped, now: Now) -> None:
    del message
    fulfilment.shipments[outcome.shipment_id] = replace(
        fulfilment.shipments[outcome.shipment_id],
        lines=outcome.lines,
        state=ShipmentState.SHIPPED,
        until_ms=now.at_ms + now.deadlines.delivery_presumed_ms,
    )
    if fulfilment.state is FulfilmentState.OPEN:
        fulfilment.state = FulfilmentState.PARTLY_SHIPPED


def _deliver(fulfilment: Fulfilment, message: Message, outcome: m.ShipmentDelivered, now: Now) -> None:
    del message
    fulfilment.shipments[outcome.shipment_id] = replace(
        fulfilment.shipments[outcome.shipment_id],
        state=ShipmentState.DELIVERED,
        until_ms=now.at_ms + now.deadlines.return_window_ms,
        is_presumed=bool(outcome.presumed),
    )


def _lose(fulfilment: Fulfilment, message: Message, outcome: m.ShipmentLost, *_: object) -> None:
    del message
    shipment = fulfilment.shipments[outcome.shipment_id]
    fulfilment.shipments[outcome.shipment_id] = replace(
        shipment, state=ShipmentState.LOST, until_ms=0, is_presumed=False
    )


def _withdraw(fulfilment: Fulfilment, message: Message, outcome: m.LineWithdrawn, *_: object) -> None:
    del message
    line = fulfilment.lines[outcome.line] = replace(fulfilment.lines[outcome.line], state=LineState.WITHDRAWN)
    shipment = fulfilment.shipments.get(line.shipment_id)
    if shipment is None or shipment.state is not ShipmentState.REQUESTED:
        return
    if all(fulfilment.lines[number].state is LineState.WITHDRAWN for number in shipment.lines):
        fulfilment.shipments[line.shipment_id] = replace(shipment, state=ShipmentState.WITHDRAWN)


def _take_back(fulfilment: Fulfilment, message: Message, outcome: m.ReturnLine, *_: object) -> None:
    del message
    line = fulfilment.lines[outcome.line]
    if line.state is LineState.SHIPPED:
        fulfilment.lines[outcome.line] = replace(line, state=LineState.RETURNING)
    elif line.state in IN_WAREHOUSE:
        fulfilment.lines[outcome.line] = replace(line, state=LineState.WITHDRAWING)


def _refund(fulfilment: Fulfilment, message: Message, outcome: m.RefundRequested | m.RefundReduced, *_: object) -> None:
    del message
    number = line_of_refund(outcome.refund_id)
    fulfilment.lines[number] = replace(fulfilment.lines[number], is_refunded=True)


def _ask_to_return(fulfilment: Fulfilment, message: m.RequestReturn, outcome: m.ReturnRequested, *_: object) -> None:
    fulfilment.returns[outcome.return_id] = Return(
        message.lines, outcome.lines, outcome.reason, until_ms=outcome.until_ms
    )


def _approve(fulfilment: Fulfilment, message: Message, outcome: m.ReturnApproved, *_: object) -> None:
    del message
    fulfilment.returns[outcome.return_id] = replace(
        fulfilment.returns[outcome.return_id], state=ReturnState.APPROVED, until_ms=outcome.until_ms
    )


def _refuse(fulfilment: Fulfilment, message: Message, outcome: m.ReturnRefused, *_: object) -> None:
    del message
    return_ = fulfilment.returns[outcome.return_id]
    state = ReturnState.RECEIVED if return_.received else ReturnState.REFUSED
    fulfilment.returns[outcome.return_id] = replace(return_, state=state, until_ms=0)


def _receive(fulfilment: Fulfilment, message: Message, outcome: m.ReturnReceived, *_: object) -> None:
    del message
    fulfilment.returns[outcome.return_id] = received_of(
        fulfilment.returns[outcome.return_id], outcome.lines, outcome.disposition
    )


def _to(state: FulfilmentState) -> Callable[..., None]:
    def turn(fulfilment: Fulfilment, *_: object) -> None:
        fulfilment.state = state

    return turn


def _note_all_back(fulfilment: Fulfilment, *_: object) -> None:
    fulfilment.is_returned = True


_BY_OUTCOME: Final[Mapping[type[Message], Callable[..., None]]] = {
    m.ShipmentRequested: _request,
    m.ShipLine: _leave,
    m.ShipmentShipped: _ship,
    m.OrderShipped: _to(FulfilmentState.SHIPPED),
    m.ShipmentDelivered: _deliver,
    m.ShipmentLost: _lose,
    m.OrderDelivered: _to(FulfilmentState.DELIVERED),
    m.FulfilmentCancelled: _to(FulfilmentState.CANCELLED),
    m.LineWithdrawn: _withdraw,
    m.ReturnLine: _take_back,
    m.ReturnRequested: _ask_to_return,
    m.ReturnApproved: _approve,
    m.ReturnRefused: _refuse,
    m.ReturnReceived: _receive,
    m.RefundRequested: _refund,
    m.RefundReduced: _refund,
    m.OrderReturned: _note_all_back,
}
