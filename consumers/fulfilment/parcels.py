"""What a fulfilment answers when a parcel is to leave, has left, has arrived or is lost. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.fulfilment.fulfilment import LineState, ShipmentState
from consumers.fulfilment.refunds import refund
from consumers.fulfilment.refusals import named_lines, refused
from consumers.text import require_text, require_words
from schemas import messages as m
from schemas.limits import MAX_FAILED_SHIPMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.fulfilment.fulfilment import Fulfilment, Shipment
    from schemas.messages import Message

UNANNOUNCED: Final = "line:"
"""How the id of a parcel begins of which nobody told us; no other's may."""


def ship(it: Fulfilment, command: m.ShipOrder, *_: object) -> list[Message]:
    """Let lines go out in one parcel; where its money is captured at shipping, they wait for it."""
    _require_shipping_texts(command)
    if (known := it.shipments.get(command.shipment_id)) is not None:
        return _asked_before(known, command)
    asked = named_lines(command.lines)
    if (reason := _shipping_fault(it) or _lines_fault(it, asked)) is not None:
        return [refused(command, reason)]
    lines = asked or tuple(it.numbers(LineState.OPEN))
    amount_minor = sum(it.lines[number].amount_minor for number in lines)
    requested = m.ShipmentRequested(command.order_id, command.shipment_id, lines, amount_minor)
    if it.captures_at_shipping and amount_minor:
        return [requested]
    return [requested, *(m.ShipLine(command.order_id, number, it.lines[number].sku) for number in lines)]


def _asked_before(known: Shipment, command: m.ShipOrder) -> list[Message]:
    """Ignore a repeat. One whose money failed is used up: its money was asked for under its id."""
    if (known.asked, known.carrier, known.tracking) != (command.lines, command.carrier, command.tracking):
        return [refused(command, "conflicting_duplicate")]
    return [refused(command, "payment_failed")] if known.state is ShipmentState.FAILED else []


def _shipping_fault(it: Fulfilment) -> str | None:
    if it.is_lapsed:
        return "authorization_lapsed"
    failed = sum(shipment.state is ShipmentState.FAILED for shipment in it.shipments.values())
    return "too_many_failures" if failed >= MAX_FAILED_SHIPMENTS else None


def _lines_fault(it: Fulfilment, asked: tuple[int, ...]) -> str | None:
    if any(number not in it.lines for number in asked):
        return "unknown_line"
    states = {it.lines[number].state for number in asked}
    if states & {LineState.WITHDRAWING, LineState.WITHDRAWN}:
        return "line_withdrawn"
    is_open = states <= {LineState.OPEN} and (asked or it.numbers(LineState.OPEN))
    return None if is_open else "line_already_shipped"


def _require_shipping_texts(command: m.ShipOrder) -> None:
    require_text(command.shipment_id)
    require_words(command.carrier, command.tracking)
    if command.shipment_id.startswith(UNANNOUNCED):
        raise RefusedError("invalid_shipment_id", f"{command.shipment_id!r}: ids that begin so are the room's own")


def ship_captured(it: Fulfilment, fact: m.PaymentCaptured, *_: object) -> list[Message]:
    """The money of a parcel is in: send its lines out, and give back what was paid for those that are gone meanwhile."""
    shipment = it.shipments.get(fact.reference)
    if shipment is None:
        return []
    lines = [(number, it.lines[number]) for number in shipment.lines]
    leaving = [
        m.ShipLine(fact.order_id, number, line.sku) for number, line in lines if line.state is LineState.REQUESTED
    ]
    is_lost = shipment.state is ShipmentState.LOST
    gone = [
        each
        for number, line in lines
        if not line.is_captured and (is_lost or line.state in (LineState.WITHDRAWN, LineState.RETURNED))
        for each in refund(
            fact.order_id, number, line, "parcel_lost" if is_lost else "line_withdrawn", is_captured=True
        )
    ]
    return [*leaving, *gone]


def reopen_lines(it: Fulfilment, fact: m.PaymentCaptureFailed, *_: object) -> list[Message]:
    """The money of a parcel could not be had: its lines stay, and whoever wanted to ship them is told."""
    shipment = it.shipments.get(fact.reference)
    if shipment is None or not any(it.lines[number].state is LineState.REQUESTED for number in shipment.lines):
        return []
    return [m.OrderCommandRefused(fact.order_id, m.ShipOrder.__name__, fact.reference, "payment_failed")]


def gather_shipped(it: Fulfilment, fact: m.LineShipped, *_: object) -> list[Message]:
    """A line has left. One that nobody announced is a parcel of its own; one that was withdrawn goes back into the books."""
    line = it.line_of(fact.line, fact.sku)
    if line is None:
        return []
    if line.state is LineState.OPEN:
        name = f"{UNANNOUNCED}{fact.line}"
        return [m.ShipmentRequested(fact.order_id, name, (fact.line,), line.amount_minor)]
    if line.state is LineState.WITHDRAWN:
        return [m.ReturnLine(fact.order_id, fact.line, fact.sku, "line_withdrawn")]
    return []


# --- arriving -------------------------------------------------------------------------------------------------------------


def deliver(it: Fulfilment, command: m.ConfirmDelivery, *_: object) -> list[Message]:
    """A parcel has arrived. That it was presumed before is forgotten then, so it cannot be lost any more."""
    require_text(command.shipment_id)
    shipment = it.shipments.get(command.shipment_id)
    if shipment is None:
        return [refused(command, "unknown_shipment")]
    if shipment.state is ShipmentState.SHIPPED:
        return [m.ShipmentDelivered(command.order_id, command.shipment_id)]
    if shipment.state is ShipmentState.DELIVERED:
        return []
    return [refused(command, "parcel_lost" if shipment.state is ShipmentState.LOST else "not_shipped")]


def lose(it: Fulfilment, command: m.ReportLostParcel, *_: object) -> list[Message]:
    """A parcel will not arrive: what was paid for what was in it goes back.

    One that was only presumed to have arrived can still be lost, as long as nobody wants to send anything of it back.
    """
    require_text(command.shipment_id, command.reason)
    shipment = it.shipments.get(command.shipment_id)
    if shipment is None:
        return [refused(command, "unknown_shipment")]
    if shipment.state is ShipmentState.LOST:
        return []
    if (reason := _loss_fault(it, shipment)) is not None:
        return [refused(command, reason)]
    lines = tuple(number for number in shipment.lines if it.lines[number].state is LineState.SHIPPED)
    refunds = [each for number in lines for each in refund(command.order_id, number, it.lines[number], "parcel_lost")]
    return [m.ShipmentLost(command.order_id, command.shipment_id, lines, command.reason), *refunds]


def _loss_fault(it: Fulfilment, shipment: Shipment) -> str | None:
    if shipment.state not in (ShipmentState.SHIPPED, ShipmentState.DELIVERED):
        return "not_shipped"
    if shipment.state is ShipmentState.DELIVERED and not shipment.is_presumed:
        return "already_delivered"
    if any(it.return_of(number) is not None for number in shipment.lines):
        return "return_under_way"
    return "line_already_returned" if it.is_back(shipment) else None


PARCEL_ANSWERS: Final[Mapping[str, Callable[..., list[Message]]]] = {
    "ship": ship,
    "refuse_shipping": ship,
    "ship_captured": ship_captured,
    "refund_captured": ship_captured,
    "reopen_lines": reopen_lines,
    "gather_shipped": gather_shipped,
    "return_withdrawn": gather_shipped,
    "refuse_delivery": deliver,
    "deliver_some": deliver,
    "deliver": deliver,
    "refuse_loss": lose,
    "lose_some": lose,
    "lose": lose,
}
