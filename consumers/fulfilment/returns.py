"""What a fulfilment answers when a customer wants to send lines back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.fulfilment.refusals import conflict, refused
from consumers.fulfilment.state import LineState, Return, ShipmentState
from schemas import messages as m
from schemas.limits import MAX_RETURNS
from topology.states import ReturnState

if TYPE_CHECKING:
    from consumers.fulfilment.state import Fulfilment
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message


def request_return(fulfilment: Fulfilment, command: m.RequestReturn, now: Now) -> list[Message]:
    """Take in that delivered lines are to come back; the merchant has some days to say no."""
    asked = tuple(sorted(command.lines))
    if (known := fulfilment.returns.get(command.return_id)) is not None:
        differs = conflict(
            command, lines=(sorted(known.asked), sorted(command.lines)), reason=(known.reason, command.reason)
        )
        return [] if differs is None else [differs]
    if len(fulfilment.returns) >= MAX_RETURNS:
        return [refused(command, "too_many_returns")]
    faults = {number: _fault(fulfilment, number, now.at_ms) for number in asked or sorted(fulfilment.lines)}
    lines = tuple(number for number, fault in faults.items() if fault is None)
    if not lines or (asked and lines != asked):
        reason = max((fault for fault in faults.values() if fault is not None), key=_FAULTS.index)
        return [refused(command, reason)]
    until_ms = now.at_ms + now.deadlines.return_answer_ms
    return [m.ReturnRequested(command.order_id, command.return_id, lines, command.reason, until_ms)]


_FAULTS: Final = (
    "line_withdrawn",
    "parcel_lost",
    "line_already_returned",
    "not_delivered",
    "return_window_over",
    "return_under_way",
    "unknown_line",
)
"""Why a line cannot be sent back; of several lines' reasons the last of these is given."""
_LINE_FAULTS: Final = {
    LineState.WITHDRAWN: "line_withdrawn",
    LineState.RETURNING: "line_already_returned",
    LineState.RETURNED: "line_already_returned",
}


def _fault(fulfilment: Fulfilment, number: int, at_ms: int) -> str | None:
    if (line := fulfilment.lines.get(number)) is None:
        return "unknown_line"
    if (fault := _LINE_FAULTS.get(line.state)) is not None:
        return fault
    shipment = fulfilment.shipments.get(line.shipment_id)
    if shipment is None or shipment.state is not ShipmentState.DELIVERED:
        return "parcel_lost" if shipment is not None and shipment.state is ShipmentState.LOST else "not_delivered"
    if fulfilment.return_of(number) is not None:
        return "return_under_way"
    return "return_window_over" if at_ms > shipment.until_ms else None


def approve_return(fulfilment: Fulfilment, command: m.ApproveReturn, now: Now) -> list[Message]:
    """Let a return come; one that did already was approved."""
    return_ = _return_of(fulfilment, command)
    if return_ is None:
        return [refused(command, "unknown_return")]
    if return_.state is ReturnState.REQUESTED:
        return [m.ReturnApproved(command.order_id, command.return_id, now.at_ms + now.deadlines.return_arrival_ms)]
    return [refused(command, "return_refused")] if return_.state is ReturnState.REFUSED else []


def refuse_return(fulfilment: Fulfilment, command: m.RefuseReturn, _: Now) -> list[Message]:
    """Do not let a return come; once it is approved, the customer counts on it."""
    return_ = _return_of(fulfilment, command)
    if return_ is None:
        return [refused(command, "unknown_return")]
    if return_.state is ReturnState.REQUESTED:
        return [m.ReturnRefused(command.order_id, command.return_id, command.reason)]
    return [] if return_.state is ReturnState.REFUSED else [refused(command, "return_approved")]


def receive_return(fulfilment: Fulfilment, command: m.ReceiveReturn, _: Now) -> list[Message]:
    """Take in lines of an approved return, all or some; inventory books them, and their money follows."""
    return_ = _return_of(fulfilment, command)
    asked = tuple(sorted(command.lines))
    if return_ is None:
        return [refused(command, "unknown_return")]
    lines = asked or return_.missing or return_.lines
    if not set(lines) <= set(return_.lines):
        return [refused(command, "unknown_line")]
    if any(number in return_.received for number in lines):
        here = {number: return_.received[number] for number in lines if number in return_.received}
        if here == dict.fromkeys(lines, command.disposition):
            return []
        detail = ", ".join(f"line {number} is here: {disposition}" for number, disposition in here.items())
        return [refused(command, "line_already_returned", detail)]
    if return_.state is not ReturnState.APPROVED:
        return [refused(command, "not_approved" if return_.state is ReturnState.REQUESTED else "return_refused")]
    back = [
        m.ReturnLine(command.order_id, number, fulfilment.lines[number].sku, "returned", command.disposition)
        for number in lines
    ]
    return [m.ReturnReceived(command.order_id, command.return_id, lines, command.disposition), *back]


def _return_of(fulfilment: Fulfilment, command: m.ApproveReturn | m.RefuseReturn | m.ReceiveReturn) -> Return | None:
    return fulfilment.returns.get(command.return_id)
