"""What an event's id says of its cause, held against what its room can have read. Pure.

Decision: docs/decisions, 036.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from schemas.errors import InvalidIdError
from schemas.ids import parse_event_id
from topology.topics import EARLIER_SOURCES, INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.runtime.deciding.record import Record

_SOURCES: Final[Mapping[str, Mapping[str, int]]] = {
    "inventory": {INVENTORY_COMMANDS.name: 0},
    **{room: {ORDER_EVENTS.name: 0, ORDER_COMMANDS.name: 1} for room in EARLIER_SOURCES},
}
"""Room -> the topics of which it has decided records -> the place of each among the positions that `confirm_*` returns. Before
there was intake, rooms of orders decided order.commands themselves, up to a position that never moves again (decision 037)."""
KEYED_BY_SKU: Final = "inventory"
"""The room whose causes are in the partitions of SKUs."""


class EventOrigin(NamedTuple):
    """The record that an event answers: `source` is the topic's place among the positions of the room that decided it."""

    topic: str
    source: int
    partition: int
    offset: int

    @property
    def is_of_the_past(self) -> bool:
        """Whether the room decides that topic no more: what it has not decided there it will never decide."""
        return self.topic == ORDER_COMMANDS.name


def origin_of(record: Record, topic: str, room: str) -> EventOrigin | str:
    """Return the cause that the id of an event on `topic` names, or in words why `room` cannot have decided it.

    An order's events and their causes are in one partition, but for inventory's, and a cause comes before its event.
    """
    ids = [value or b"" for name, value in record.headers if name == "ce_id"]
    if len(ids) != 1:
        return f"it has {len(ids) or 'no'} ids of an event"
    try:
        source_topic, partition, offset, _ = parse_event_id(ids[0].decode(errors="replace"))
    except InvalidIdError as error:
        return str(error)
    named = f"its id names {source_topic}/{partition}/{offset}"
    source = _SOURCES[room].get(source_topic)
    if source is None:
        return f"{named}, and {room} does not read that topic"
    if partition != record.partition and room != KEYED_BY_SKU:
        return f"{named}, which is not in its order's partition {record.partition}"
    if source_topic == topic and offset >= record.offset:
        return f"{named}, which comes after it"
    return EventOrigin(source_topic, source, partition, offset)
