"""What a fulfilment answers when a parcel is to leave, has left, has arrived or is lost. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.fulfilment.refunds import refunds
from consumers.fulfilment.refusals import conflict, refused
from consumers.fulfilment.state import PAYMENT_GONE, LineState, ShipmentState
from schemas import messages as m
from schemas.ids import OF_A_LINE
from schemas.limits import MAX_FAILED_SHIPMENTS

if TYPE_CHECKING:
    from consumers.fulfilment.state import Fulfilment, Shipment
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message


def ship(fulfilment: Fulfilment, command: m.ShipOrder, _: Now) -> list[Message]:
    """Let lines go out in one parcel; where its money is captured at shipping, they wait for it."""
    if (known := fulfilment.shipments.get(command.shipment_id)) is not None:
        return _asked_before(known, command)
    asked = tuple(sorted(command.lines))
    if (reason := _shipping_fault(fulfilment) or _lines_fault(fulfilment, asked)) is not None:
        return [refused(command, reason)]
    lines = asked or tuple(fulfilment.numbers(LineState.OPEN))
    amount_minor = sum(fulfilment.lines[number].amount_minor for number in lines)
    requested = m.ShipmentRequested(command.order_id, command.shipment_id, lines, amount_minor)
    if fulfilment.captures_at_shipping and amount_minor:
        return [requested]
    return [requested, *(m.ShipLine(command.order_id, number, fulfilment.lines[number].sku) for number in lines)]


def _asked_before(known: Shipment, command: m.ShipOrder) -> list[Message]:
    """Ignore a repeat. One whose money failed is used up: its money was asked for under its id."""
    differs = conflict(
        command,
        lines=(sorted(known.asked), sorted(command.lines)),
        carrier=(known.carrier, command.carrier),
        tracking=(known.tracking, command.tracking),
    )
    if differs is not None:
        return [differs]
    return [refused(command, "payment_failed")] if known.state is ShipmentState.FAILED else []


def _shipping_fault(fulfilment: Fulfilment) -> str | None:
    if fulfilment.blocked and not (fulfilment.blocked == PAYMENT_GONE and fulfilment.captures_at_shipping):
        return fulfilment.blocked
    if fulfilment.is_lapsed:
        return "authorization_lapsed"
    failed = sum(shipment.state is ShipmentState.FAILED for shipment in fulfilment.shipments.values())
    return "too_many_failures" if failed >= MAX_FAILED_SHIPMENTS else None


def _lines_fault(fulfilment: Fulfilment, asked: tuple[int, ...]) -> str | None:
    if any(number not in fulfilment.lines for number in asked):
        return "unknown_line"
    states = {fulfilment.lines[number].state for number in asked}
    if states & {LineState.WITHDRAWING, LineState.WITHDRAWN}:
        return "line_withdrawn"
    is_open = states <= {LineState.OPEN} and (asked or fulfilment.numbers(LineState.OPEN))
    return None if is_open else "line_already_shipped"


def ship_captured(fulfilment: Fulfilment, fact: m.PaymentCaptured, _: Now) -> list[Message]:
    """The money of a parcel is in: send its lines out, and give back what was paid for those that are gone meanwhile."""
    shipment = fulfilment.shipments.get(fact.reference)
    if shipment is None:
        return []
    lines = [(number, fulfilment.lines[number]) for number in shipment.lines]
    leaving = [
        m.ShipLine(fact.order_id, number, line.sku) for number, line in lines if line.state is LineState.REQUESTED
    ]
    is_lost = shipment.state is ShipmentState.LOST
    gone = [
        number
        for number, line in lines
        if not line.is_captured and (is_lost or line.state in (LineState.WITHDRAWN, LineState.RETURNED))
    ]
    reason = "parcel_lost" if is_lost else "line_withdrawn"
    return [*leaving, *refunds(fulfilment, gone, reason, captured=shipment.lines)]


def reopen_lines(fulfilment: Fulfilment, fact: m.PaymentCaptureFailed, _: Now) -> list[Message]:
    """The money of a parcel could not be had: its lines stay, and whoever wanted to ship them gets a refusal."""
    shipment = fulfilment.shipments.get(fact.reference)
    if shipment is None or not any(fulfilment.lines[number].state is LineState.REQUESTED for number in shipment.lines):
        return []
    return [m.OrderCommandRefused(fact.order_id, m.ShipOrder.__name__, fact.reference, "payment_failed")]


def gather_shipped(fulfilment: Fulfilment, fact: m.LineShipped, _: Now) -> list[Message]:
    """A line has left. One that nobody announced is a parcel of its own; one that was withdrawn goes back into the books."""
    line = fulfilment.line_of(fact.line, fact.sku)
    if line is None:
        return []
    if line.state is LineState.OPEN:
        name = f"{OF_A_LINE}{fact.line}"
        return [m.ShipmentRequested(fact.order_id, name, (fact.line,), line.amount_minor)]
    if line.state is LineState.WITHDRAWN:
        return [m.ReturnLine(fact.order_id, fact.line, fact.sku, "line_withdrawn")]
    return []


# --- arriving -------------------------------------------------------------------------------------------------------------


def deliver(fulfilment: Fulfilment, command: m.ConfirmDelivery, _: Now) -> list[Message]:
    """A parcel has arrived. That it was presumed before is forgotten then, so it cannot be lost any more."""
    shipment = fulfilment.shipments.get(command.shipment_id)
    if shipment is None:
        return [refused(command, "unknown_shipment")]
    if shipment.state is ShipmentState.SHIPPED:
        return [m.ShipmentDelivered(command.order_id, command.shipment_id)]
    if shipment.state is ShipmentState.DELIVERED:
        return []
    return [refused(command, "parcel_lost" if shipment.state is ShipmentState.LOST else "not_shipped")]


def lose(fulfilment: Fulfilment, command: m.ReportLostParcel, _: Now) -> list[Message]:
    """A parcel will not arrive: what was paid for what was in it goes back.

    One that was only presumed to have arrived can still be lost, as long as nobody wants to send anything of it back.
    """
    shipment = fulfilment.shipments.get(command.shipment_id)
    if shipment is None:
        return [refused(command, "unknown_shipment")]
    if shipment.state is ShipmentState.LOST:
        return []
    if (reason := _loss_fault(fulfilment, shipment)) is not None:
        return [refused(command, reason)]
    lines = tuple(number for number in shipment.lines if fulfilment.lines[number].state is LineState.SHIPPED)
    lost = m.ShipmentLost(command.order_id, command.shipment_id, lines, command.reason)
    return [lost, *refunds(fulfilment, lines, "parcel_lost")]


def _loss_fault(fulfilment: Fulfilment, shipment: Shipment) -> str | None:
    if shipment.state not in (ShipmentState.SHIPPED, ShipmentState.DELIVERED):
        return "not_shipped"
    if shipment.state is ShipmentState.DELIVERED and not shipment.is_presumed:
        return "already_delivered"
    if any(fulfilment.return_of(number) is not None for number in shipment.lines):
        return "return_under_way"
    return "line_already_returned" if fulfilment.is_back(shipment) else None
