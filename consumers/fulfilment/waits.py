"""What follows when waits are over: parcels are presumed delivered, returns answered, lines given up. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.fulfilment.fulfilment import UNDER_WAY, LineState, ShipmentState
from schemas import messages as m
from topology.states import FulfilmentState, ReturnState

if TYPE_CHECKING:
    from consumers.fulfilment.fulfilment import Deadlines, Fulfilment
    from schemas.messages import Message

NOT_SHIPPED_IN_TIME: Final = "not_shipped_in_time"
NOT_RECEIVED_IN_TIME: Final = "not_received_in_time"


def end_waits(it: Fulfilment, command: m.EndWaits, at_ms: int, deadlines: Deadlines) -> list[Message]:
    """End the waits of one fulfilment that were over at the command's time, which is never later than the log's."""
    now_ms = min(command.as_of_ms, at_ms)
    return [
        *_presume_delivered(it, now_ms),
        *_answer_returns(it, now_ms, at_ms + deadlines.return_arrival_ms),
        *_give_up(it, now_ms),
    ]


def _presume_delivered(it: Fulfilment, now_ms: int) -> list[Message]:
    return [
        m.ShipmentDelivered(it.order_id, name, presumed=1)
        for name, shipment in sorted(it.shipments.items())
        if shipment.state is ShipmentState.SHIPPED and shipment.until_ms <= now_ms and not it.is_back(shipment)
    ]


def _answer_returns(it: Fulfilment, now_ms: int, until_ms: int) -> list[Message]:
    """Approve what nobody answered; goods that did not come in time are not taken any more."""
    said: list[Message] = []
    for name, each in sorted(it.returns.items()):
        if each.until_ms > now_ms:
            continue
        if each.state is ReturnState.REQUESTED:
            said.append(m.ReturnApproved(it.order_id, name, until_ms))
        elif each.state is ReturnState.APPROVED:
            said.append(m.ReturnRefused(it.order_id, name, NOT_RECEIVED_IN_TIME))
    return said


def _give_up(it: Fulfilment, now_ms: int) -> list[Message]:
    """End an order of which nothing was shipped in time; of one that was shipped in part, give the rest back."""
    left = it.numbers(LineState.OPEN)
    if not left or it.ship_by_ms > now_ms or any(line.state in UNDER_WAY for line in it.lines.values()):
        return []
    if it.state is FulfilmentState.OPEN:
        return [m.FulfilmentCancelled(it.order_id, NOT_SHIPPED_IN_TIME)]
    return [m.ReturnLine(it.order_id, number, it.lines[number].sku, NOT_SHIPPED_IN_TIME) for number in left]
