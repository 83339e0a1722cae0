"""How each message by itself changes a fulfilment, whatever is decided about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from consumers.fulfilment.state import (
    OUT,
    PAYMENT_DISPUTED,
    PAYMENT_GONE,
    Fulfilment,
    LineState,
    Return,
    ShipmentState,
)
from schemas import messages as m
from topology.states import ALREADY_SHIPPED, FulfilmentState, ReturnState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.messages import Message


def received_of(each: Return, lines: tuple[int, ...], disposition: str) -> Return:
    """Return a return of which these lines are here now; once none is missing, it is received."""
    after = replace(each, received={**each.received, **dict.fromkeys(lines, disposition)})
    return after if after.missing else replace(after, state=ReturnState.RECEIVED, until_ms=0)


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
    if isinstance(message, m.LineReturned) and (known_return := fulfilment.return_of(message.line)) is not None:
        fulfilment.returns[known_return[0]] = received_of(known_return[1], (message.line,), message.disposition)


def _note_delivery(fulfilment: Fulfilment, message: m.ConfirmDelivery) -> None:
    shipment = fulfilment.shipments.get(message.shipment_id)
    if shipment is not None and shipment.is_presumed:
        fulfilment.shipments[message.shipment_id] = replace(shipment, is_presumed=False)


BY_MESSAGE: Final[Mapping[type[Message], Callable[..., None]]] = {
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
