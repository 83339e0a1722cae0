"""How each message and each outcome changes a fulfilment. Pure: what it was stays as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from consumers.fulfilment.fulfilment import (
    IN_THE_HOUSE,
    OUT,
    SHIPMENT,
    Deadlines,
    Fulfilment,
    Line,
    LineState,
    Return,
    Shipment,
    ShipmentState,
    next_wait,
)
from consumers.fulfilment.refunds import line_of_refund
from schemas import messages as m
from schemas.terms import CAPTURE_AT_SHIPPING
from topology.states import ALREADY_SHIPPED, FulfilmentState, ReturnState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from schemas.messages import Message


def evolve(
    before: Fulfilment, message: Message, outcomes: Iterable[Message], at_ms: int, deadlines: Deadlines
) -> Fulfilment:
    """Return the fulfilment after the message and what was decided about it; `before` itself where nothing changed."""
    if before.state is FulfilmentState.NONE:
        return _opened(before, message, at_ms, deadlines)
    if before.state is FulfilmentState.CANCELLED:
        return before
    after = replace(before, lines=dict(before.lines), shipments=dict(before.shipments), returns=dict(before.returns))
    if (note := _NOTES.get(type(message))) is not None:
        note(after, message)
    for outcome in outcomes:
        if (change := _CHANGES.get(type(outcome))) is not None:
            change(after, message, outcome, at_ms, deadlines)
    if after == before:
        return before
    after.waits_for, after.deadline_ms = next_wait(after)
    after.updated_at_ms = at_ms
    return after


def begins(fact: m.OrderPaid | m.OrderPlaced) -> bool:
    """Tell whether there is something to ship from now on: once the money is in, or where it is captured with each parcel."""
    return bool(fact.lines) and (isinstance(fact, m.OrderPaid) or CAPTURE_AT_SHIPPING in fact.terms.split())


def _opened(before: Fulfilment, message: Message, at_ms: int, deadlines: Deadlines) -> Fulfilment:
    if not isinstance(message, m.OrderPaid | m.OrderPlaced) or not begins(message):
        return before
    is_paid = isinstance(message, m.OrderPaid)
    ship_by_ms = at_ms + deadlines.ship_within_ms
    return Fulfilment(
        order_id=message.order_id,
        state=FulfilmentState.OPEN,
        captures_at_shipping=not is_paid,
        ship_by_ms=ship_by_ms,
        lines={
            line.line: Line(line.sku, line.quantity, line.unit_price_minor, is_captured=is_paid)
            for line in message.lines
        },
        waits_for=SHIPMENT,
        deadline_ms=ship_by_ms,
        updated_at_ms=at_ms,
    )


# --- what a message itself says -------------------------------------------------------------------------------------------


def _close(it: Fulfilment, message: m.OrderCancelled) -> None:
    del message
    if it.state is FulfilmentState.OPEN:
        it.state = FulfilmentState.CANCELLED


def _block(it: Fulfilment, message: m.PaymentLapsed) -> None:
    del message
    it.is_lapsed = it.captures_at_shipping


def _unblock(it: Fulfilment, message: m.PaymentAuthorized) -> None:
    del message
    it.is_lapsed = False


def _note_capture(it: Fulfilment, message: m.PaymentCaptured) -> None:
    if (shipment := it.shipments.get(message.reference)) is not None:
        for number in shipment.lines:
            it.lines[number] = replace(it.lines[number], is_captured=True)


def _note_failed_capture(it: Fulfilment, message: m.PaymentCaptureFailed) -> None:
    """What waited for this money is open again; what left without waiting stays in the parcel."""
    shipment = it.shipments.get(message.reference)
    if shipment is None or shipment.state is not ShipmentState.REQUESTED:
        return
    if not any(it.lines[number].state is LineState.REQUESTED for number in shipment.lines):
        return
    stays = tuple(number for number in shipment.lines if it.lines[number].state is not LineState.REQUESTED)
    for number in shipment.lines:
        if number not in stays:
            it.lines[number] = replace(it.lines[number], state=LineState.OPEN, shipment_id="")
    state = shipment.state if any(it.lines[number].state in OUT for number in stays) else ShipmentState.FAILED
    it.shipments[message.reference] = replace(shipment, lines=stays, state=state)


def _note_shipped(it: Fulfilment, message: m.LineShipped) -> None:
    line = it.line_of(message.line, message.sku)
    if line is not None and line.state in (LineState.OPEN, LineState.REQUESTED, LineState.LEAVING):
        it.lines[message.line] = replace(line, state=LineState.SHIPPED)


def has_left(message: m.LineReturned | m.LineCommandRefused) -> bool:
    """Tell whether inventory says that what it was to ship had left the house before: nobody will hear of it again."""
    return (
        isinstance(message, m.LineCommandRefused)
        and message.command == m.ShipLine.__name__
        and message.reason == ALREADY_SHIPPED
    )


def _note_back(it: Fulfilment, message: m.LineReturned | m.LineCommandRefused) -> None:
    """A line that was out is back: inventory took it, or refuses to take what the warehouse has in its hands.

    One that was to leave had left already, where inventory says so.
    """
    line = it.line_of(message.line, message.sku)
    if line is not None and line.state is LineState.LEAVING and has_left(message):
        it.lines[message.line] = replace(line, state=LineState.SHIPPED)
        return
    if line is None or line.state not in OUT:
        return
    if isinstance(message, m.LineCommandRefused) and (
        message.command != m.ReturnLine.__name__ or line.state is not LineState.RETURNING
    ):
        return
    it.lines[message.line] = replace(line, state=LineState.RETURNED)
    if isinstance(message, m.LineReturned) and (found := it.return_of(message.line)) is not None:
        it.returns[found[0]] = _received(found[1], (message.line,), message.disposition)


def _note_delivery(it: Fulfilment, message: m.ConfirmDelivery) -> None:
    shipment = it.shipments.get(message.shipment_id)
    if shipment is not None and shipment.is_presumed:
        it.shipments[message.shipment_id] = replace(shipment, is_presumed=False)


_NOTES: Final[Mapping[type[Message], Callable[..., None]]] = {
    m.OrderCancelled: _close,
    m.PaymentLapsed: _block,
    m.PaymentAuthorized: _unblock,
    m.PaymentCaptured: _note_capture,
    m.PaymentCaptureFailed: _note_failed_capture,
    m.LineShipped: _note_shipped,
    m.LineReturned: _note_back,
    m.LineCommandRefused: _note_back,
    m.ConfirmDelivery: _note_delivery,
}


# --- what was decided -------------------------------------------------------------------------------------------------------


def _request(it: Fulfilment, message: Message, outcome: m.ShipmentRequested, *_: object) -> None:
    """Put lines into a parcel: a ShipOrder's wait for their money, the one of a LineShipped has left already."""
    asked, carrier, tracking = outcome.lines, "", ""
    if isinstance(message, m.ShipOrder):
        asked, carrier, tracking = message.lines, message.carrier, message.tracking
    it.shipments[outcome.shipment_id] = Shipment(asked, outcome.lines, carrier, tracking)
    for number in outcome.lines:
        line = it.lines[number]
        state = LineState.REQUESTED if line.state is LineState.OPEN else line.state
        it.lines[number] = replace(line, state=state, shipment_id=outcome.shipment_id)


def _leave(it: Fulfilment, message: Message, outcome: m.ShipLine, *_: object) -> None:
    del message
    it.lines[outcome.line] = replace(it.lines[outcome.line], state=LineState.LEAVING)


def _ship(it: Fulfilment, message: Message, outcome: m.ShipmentShipped, at_ms: int, deadlines: Deadlines) -> None:
    del message
    it.shipments[outcome.shipment_id] = replace(
        it.shipments[outcome.shipment_id],
        lines=outcome.lines,
        state=ShipmentState.SHIPPED,
        until_ms=at_ms + deadlines.delivery_presumed_ms,
    )
    if it.state is FulfilmentState.OPEN:
        it.state = FulfilmentState.PARTLY_SHIPPED


def _deliver(it: Fulfilment, message: Message, outcome: m.ShipmentDelivered, at_ms: int, deadlines: Deadlines) -> None:
    del message
    it.shipments[outcome.shipment_id] = replace(
        it.shipments[outcome.shipment_id],
        state=ShipmentState.DELIVERED,
        until_ms=at_ms + deadlines.return_window_ms,
        is_presumed=bool(outcome.presumed),
    )


def _lose(it: Fulfilment, message: Message, outcome: m.ShipmentLost, *_: object) -> None:
    del message
    shipment = it.shipments[outcome.shipment_id]
    it.shipments[outcome.shipment_id] = replace(shipment, state=ShipmentState.LOST, until_ms=0, is_presumed=False)


def _withdraw(it: Fulfilment, message: Message, outcome: m.LineWithdrawn, *_: object) -> None:
    del message
    line = it.lines[outcome.line] = replace(it.lines[outcome.line], state=LineState.WITHDRAWN)
    shipment = it.shipments.get(line.shipment_id)
    if shipment is None or shipment.state is not ShipmentState.REQUESTED:
        return
    if all(it.lines[number].state is LineState.WITHDRAWN for number in shipment.lines):
        it.shipments[line.shipment_id] = replace(shipment, state=ShipmentState.WITHDRAWN)


def _take_back(it: Fulfilment, message: Message, outcome: m.ReturnLine, *_: object) -> None:
    del message
    line = it.lines[outcome.line]
    if line.state is LineState.SHIPPED:
        it.lines[outcome.line] = replace(line, state=LineState.RETURNING)
    elif line.state in IN_THE_HOUSE:
        it.lines[outcome.line] = replace(line, state=LineState.WITHDRAWING)


def _refund(it: Fulfilment, message: Message, outcome: m.RefundRequested, *_: object) -> None:
    del message
    number = line_of_refund(outcome.refund_id)
    it.lines[number] = replace(it.lines[number], is_refunded=True)


def _ask_to_return(it: Fulfilment, message: m.RequestReturn, outcome: m.ReturnRequested, *_: object) -> None:
    it.returns[outcome.return_id] = Return(message.lines, outcome.lines, outcome.reason, until_ms=outcome.until_ms)


def _approve(it: Fulfilment, message: Message, outcome: m.ReturnApproved, *_: object) -> None:
    del message
    it.returns[outcome.return_id] = replace(
        it.returns[outcome.return_id], state=ReturnState.APPROVED, until_ms=outcome.until_ms
    )


def _refuse(it: Fulfilment, message: Message, outcome: m.ReturnRefused, *_: object) -> None:
    del message
    found = it.returns[outcome.return_id]
    state = ReturnState.RECEIVED if found.received else ReturnState.REFUSED
    it.returns[outcome.return_id] = replace(found, state=state, until_ms=0)


def _receive(it: Fulfilment, message: Message, outcome: m.ReturnReceived, *_: object) -> None:
    del message
    it.returns[outcome.return_id] = _received(it.returns[outcome.return_id], outcome.lines, outcome.disposition)


def _received(it: Return, lines: tuple[int, ...], disposition: str) -> Return:
    after = replace(it, received={**it.received, **dict.fromkeys(lines, disposition)})
    return after if after.missing else replace(after, state=ReturnState.RECEIVED, until_ms=0)


def _to(state: FulfilmentState) -> Callable[..., None]:
    def turn(it: Fulfilment, *_: object) -> None:
        it.state = state

    return turn


def _note_all_back(it: Fulfilment, *_: object) -> None:
    it.is_returned = True


_CHANGES: Final[Mapping[type[Message], Callable[..., None]]] = {
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
    m.OrderReturned: _note_all_back,
}
