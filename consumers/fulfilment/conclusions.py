"""What the lines and parcels of an order have come to: events as soon as it is so, each once. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.fulfilment.state import (
    IN_WAREHOUSE,
    LEFT,
    UNDER_WAY,
    Fulfilment,
    LineState,
    Shipment,
    ShipmentState,
)
from schemas import messages as m
from topology.states import FulfilmentState

if TYPE_CHECKING:
    from schemas.messages import Message


def conclusions(fulfilment: Fulfilment) -> list[Message]:
    """Return the events of what is so and was not published yet."""
    if fulfilment.state in (FulfilmentState.NONE, FulfilmentState.CANCELLED):
        return []
    left = [
        (name, parcel)
        for name, parcel in sorted(fulfilment.shipments.items())
        if parcel.state is ShipmentState.REQUESTED and _has_left(fulfilment, parcel)
    ]
    shipped = [
        m.ShipmentShipped(
            fulfilment.order_id, name, _shipped_lines(fulfilment, parcel), parcel.carrier, parcel.tracking
        )
        for name, parcel in left
    ]
    if any(line.state in IN_WAREHOUSE for line in fulfilment.lines.values()):
        return [*shipped]
    if all(line.state is LineState.WITHDRAWN for line in fulfilment.lines.values()):
        return [m.FulfilmentCancelled(fulfilment.order_id, "nothing_left_to_ship")]
    return [*shipped, *_milestones(fulfilment, under_way=any(not fulfilment.is_back(parcel) for _, parcel in left))]


def _milestones(fulfilment: Fulfilment, *, under_way: bool) -> list[Message]:
    """Return what follows for an order of which nothing is left in the house; `under_way`: so is a parcel that just left."""
    outcomes: list[Message] = []
    if fulfilment.state in (FulfilmentState.OPEN, FulfilmentState.PARTLY_SHIPPED):
        outcomes.append(m.OrderShipped(fulfilment.order_id))
    parcels = [shipment for shipment in fulfilment.shipments.values() if shipment.state in LEFT]
    on_its_way = under_way or any(p.state is ShipmentState.SHIPPED and not fulfilment.is_back(p) for p in parcels)
    arrived = any(p.state is ShipmentState.DELIVERED for p in parcels)
    if fulfilment.state is not FulfilmentState.DELIVERED and arrived and not on_its_way:
        outcomes.append(m.OrderDelivered(fulfilment.order_id))
    if not fulfilment.is_returned and all(_is_gone(fulfilment, number) for number in fulfilment.lines):
        outcomes.append(m.OrderReturned(fulfilment.order_id))
    return outcomes


def _has_left(fulfilment: Fulfilment, shipment: Shipment) -> bool:
    """Tell whether a parcel is complete: inventory has answered for each line, and one at least went out."""
    return not any(fulfilment.lines[number].state in UNDER_WAY for number in shipment.lines) and bool(
        _shipped_lines(fulfilment, shipment)
    )


def _shipped_lines(fulfilment: Fulfilment, shipment: Shipment) -> tuple[int, ...]:
    return tuple(number for number in shipment.lines if fulfilment.lines[number].state is not LineState.WITHDRAWN)


def _is_gone(fulfilment: Fulfilment, number: int) -> bool:
    """Tell whether a line is back, never went, or is lost."""
    line = fulfilment.lines[number]
    if line.state in (LineState.WITHDRAWN, LineState.RETURNED):
        return True
    shipment = fulfilment.shipments.get(line.shipment_id)
    return shipment is not None and shipment.state is ShipmentState.LOST
