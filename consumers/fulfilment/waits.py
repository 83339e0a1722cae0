"""What follows when waits are over: parcels are presumed delivered, returns answered, lines given up. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.fulfilment.state import UNDER_WAY, LineState, ShipmentState
from schemas import messages as m
from topology.states import FulfilmentState, ReturnState

if TYPE_CHECKING:
    from consumers.fulfilment.state import Fulfilment
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

NOT_SHIPPED_IN_TIME: Final = "not_shipped_in_time"
NOT_RECEIVED_IN_TIME: Final = "not_received_in_time"


def end_waits(fulfilment: Fulfilment, command: m.EndWaits, now: Now) -> list[Message]:
    """End the waits of one fulfilment that were over at the command's time, which is never later than the log's."""
    now_ms = min(command.as_of_ms, now.at_ms)
    return [
        *_presume_delivered(fulfilment, now_ms),
        *_answer_returns(fulfilment, now_ms, now.at_ms + now.deadlines.return_arrival_ms),
        *_give_up(fulfilment, now_ms),
    ]


def _presume_delivered(fulfilment: Fulfilment, now_ms: int) -> list[Message]:
    return [
        m.ShipmentDelivered(fulfilment.order_id, name, presumed=1)
        for name, shipment in sorted(fulfilment.shipments.items())
        if shipment.state is ShipmentState.SHIPPED and shipment.until_ms <= now_ms and not fulfilment.is_back(shipment)
    ]


def _answer_returns(fulfilment: Fulfilment, now_ms: int, until_ms: int) -> list[Message]:
    """Approve what nobody answered; goods that did not come in time are not taken any more."""
    outcomes: list[Message] = []
    for name, each in sorted(fulfilment.returns.items()):
        if each.until_ms > now_ms:
            continue
        if each.state is ReturnState.REQUESTED:
            outcomes.append(m.ReturnApproved(fulfilment.order_id, name, until_ms))
        elif each.state is ReturnState.APPROVED:
            outcomes.append(m.ReturnRefused(fulfilment.order_id, name, NOT_RECEIVED_IN_TIME))
    return outcomes


def _give_up(fulfilment: Fulfilment, now_ms: int) -> list[Message]:
    """End an order of which nothing was shipped in time; of one that was shipped in part, give the rest back."""
    left = fulfilment.numbers(LineState.OPEN)
    if not left or fulfilment.ship_by_ms > now_ms or any(line.state in UNDER_WAY for line in fulfilment.lines.values()):
        return []
    if fulfilment.state is FulfilmentState.OPEN:
        return [m.FulfilmentCancelled(fulfilment.order_id, NOT_SHIPPED_IN_TIME)]
    return [
        m.ReturnLine(fulfilment.order_id, number, fulfilment.lines[number].sku, NOT_SHIPPED_IN_TIME) for number in left
    ]
