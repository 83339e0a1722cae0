"""How each message and each outcome changes a fulfilment: the only writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from consumers.fulfilment.refunds import line_of_refund
from consumers.fulfilment.state import (
    IN_THE_HOUSE,
    OUT,
    PAYMENT_DISPUTED,
    PAYMENT_GONE,
    SHIPMENT,
    Fulfilment,
    Line,
    LineState,
    Return,
    Shipment,
    ShipmentState,
    next_wait,
)
from schemas import messages as m
from schemas.terms import CAPTURE_AT_SHIPPING
from topology.states import ALREADY_SHIPPED, FulfilmentState, ReturnState

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
    if (record := _BY_MESSAGE.get(type(message))) is not None:
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
    fulfilment.lines = {
        line.line: Line(line.sku, line.quantity, line.unit_price_minor, is_captured=is_paid) for line in message.lines
    }
    fulfilment.waits_for, fulfilment.deadline_ms = SHIPMENT, fulfilment.ship_by_ms
    fulfilment.updated_at_ms = now.at_ms
    return True


# --- by the message itself ------------------------------------------------------------------------------------------------


def _close(fulfilment: Fulfilment, message: m.OrderCancelled) -> None:
    del message
    if fulfilment.state is FulfilmentState.OPEN:
        fulfilment.state = FulfilmentState.CANCELLED


def _block(fulfilment: Fulfilment, message: m.PaymentLapsed) -> None:
    del message
    fulfilment.is_lapsed = fulfilment.captures_at_shipping


def _unblock(fulfilment: Fulfilment, message: m.PaymentAuthorized) -> None:
    del message
    fulfilment.is_lapsed = False


def _note_external_change(fulfilment: Fulfilment, message: m.PaymentChangedExternally) -> None:
    """Nothing leaves while the money is disputed or gone. It may be so before the goods are known: a dispute waits for nobody."""
    fulfilment.gone_minor = message.gone_minor
    is_gone = message.gone_minor > 0 and message.left_minor <= 0
    fulfilment.blocked = PAYMENT_DISPUTED if message.disputed_minor > 0 else PAYMENT_GONE if is_gone else ""


def _note_capture(fulfilment: Fulfilment, message: m.PaymentCaptured) -> None:
    if (shipment := fulfilment.shipments.get(message.reference)) is not None:
        for number in shipment.lines:
            fulfilment.lines[number] = replace(fulfilment.lines[number], is_captured=True)


def _note_failed_capture(fulfilment: Fulfilment, message: m.PaymentCaptureFailed) -> None:
    """What waited for this money is open again; what left without waiting stays in the parcel."""
    shipment = fulfilment.shipments.get(message.reference)
    if shipment is None or shipment.state is not ShipmentState.REQUESTED:
        return
    if not any(fulfilment.lines[number].state is LineState.REQUESTED for number in shipment.lines):
        return
    stays = tuple(number for number in shipment.lines if fulfilment.lines[number].state is not LineState.REQUESTED)
    for number in shipment.lines:
        if number not in stays:
            fulfilment.lines[number] = replace(fulfilment.lines[number], state=LineState.OPEN, shipment_id="")
    state = shipment.state if any(fulfilment.lines[number].state in OUT for number in stays) else ShipmentState.FAILED
    fulfilment.shipments[message.reference] = replace(shipment, lines=stays, state=state)


def _note_shipped(fulfilment: Fulfilment, message: m.LineShipped) -> None:
    line = fulfilment.line_of(message.line, message.sku)
    if line is not None and line.state in (LineState.OPEN, LineState.REQUESTED, LineState.LEAVING):
        fulfilment.lines[message.line] = replace(line, state=LineState.SHIPPED)


def has_left(message: m.LineReturned | m.LineCommandRefused) -> bool:
    """Tell whether inventory reports that what it was to ship had left the house before: no other event of it will come."""
    return (
        isinstance(message, m.LineCommandRefused)
        and message.command == m.ShipLine.__name__
        and message.reason == ALREADY_SHIPPED
    )


def _note_back(fulfilment: Fulfilment, message: m.LineReturned | m.LineCommandRefused) -> None:
    """A line that was out is back: inventory took it, or refuses to take what the warehouse has in its hands.

    One that was to leave had left already, where inventory reports that.
    """
    line = fulfilment.line_of(message.line, message.sku)
    if line is not None and line.state is LineState.LEAVING and has_left(message):
        fulfilment.lines[message.line] = replace(line, state=LineState.SHIPPED)
        return
    if line is None or line.state not in OUT:
        return
    if isinstance(message, m.LineCommandRefused) and (
        message.command != m.ReturnLine.__name__ or line.state is not LineState.RETURNING
    ):
        return
    fulfilment.lines[message.line] = replace(line, state=LineState.RETURNED)
    if isinstance(message, m.LineReturned) and (found := fulfilment.return_of(message.line)) is not None:
        fulfilment.returns[found[0]] = _received(found[1], (message.line,), message.disposition)


def _note_delivery(fulfilment: Fulfilment, message: m.ConfirmDelivery) -> None:
    shipment = fulfilment.shipments.get(message.shipment_id)
    if shipment is not None and shipment.is_presumed:
        fulfilment.shipments[message.shipment_id] = replace(shipment, is_presumed=False)


_BY_MESSAGE: Final[Mapping[type[Message], Callable[..., None]]] = {
    m.OrderCancelled: _close,
    m.PaymentLapsed: _block,
    m.PaymentAuthorized: _unblock,
    m.PaymentChangedExternally: _note_external_change,
    m.PaymentCaptured: _note_capture,
    m.PaymentCaptureFailed: _note_failed_capture,
    m.LineShipped: _note_shipped,
    m.LineReturned: _note_back,
    m.LineCommandRefused: _note_back,
    m.ConfirmDelivery: _note_delivery,
}


# --- by what was decided ----------------------------------------------------------------------------------------------------


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
    elif line.state in IN_THE_HOUSE:
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
    found = fulfilment.returns[outcome.return_id]
    state = ReturnState.RECEIVED if found.received else ReturnState.REFUSED
    fulfilment.returns[outcome.return_id] = replace(found, state=state, until_ms=0)


def _receive(fulfilment: Fulfilment, message: Message, outcome: m.ReturnReceived, *_: object) -> None:
    del message
    fulfilment.returns[outcome.return_id] = _received(
        fulfilment.returns[outcome.return_id], outcome.lines, outcome.disposition
    )


def _received(each: Return, lines: tuple[int, ...], disposition: str) -> Return:
    after = replace(each, received={**each.received, **dict.fromkeys(lines, disposition)})
    return after if after.missing else replace(after, state=ReturnState.RECEIVED, until_ms=0)


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
