"""Which commands of an order stood in a partition where their key does not belong, and whose partitioner put them there.

An event's id names the command that it answers. A command that was forwarded says in a header where it stood before, one that
intake has taken in says so in its id; so the log itself has the answer, and nothing is kept for it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from producers.publisher import FORWARDED
from schemas import messages as m
from schemas.codec.wire import message_type
from schemas.errors import DecodeError, InvalidIdError
from schemas.ids import parse_event_id
from topology.answers import ANSWERS
from topology.foreign_partitioners import suspect
from topology.saga import INTAKE, REACTIONS
from topology.topics import INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from consumers.runtime.deciding.record import Record
    from consumers.views.timeline import TimelineEvent
    from infra.ops.log import Log

ANSWER_NAMES: Final = frozenset(
    output.__name__
    for reaction in REACTIONS
    if reaction.on in ANSWERS or reaction.on is m.PlaceOrderLine
    for output in reaction.outputs
)
"""Events that may answer what the outside asks."""
MOST_CAUSES: Final = 50
"""Commands of an order that are looked at, the latest ones."""
_TOPICS: Final = {topic.name: topic for topic in (INVENTORY_COMMANDS, ORDER_EVENTS)}
_ID_PARTS: Final = 4
_ENDS: Final = {INVENTORY_COMMANDS.name: "forward", ORDER_COMMANDS.name: f"{INTAKE}:0"}
"""What ends the id that names where a command stood at first, by the topic where that was."""


class MisroutedCommand(msgspec.Struct, frozen=True):
    """A command that stood at `offset` of a `partition` of a topic, although its key belongs in `home_partition`.

    `put_by` names the partitioner that puts the key there, and the setting to change.
    """

    command: str
    topic: str
    partition: int
    offset: int
    home_partition: int
    put_by: str


async def misrouted_commands(log: Log, events: Iterable[TimelineEvent]) -> list[MisroutedCommand]:
    """Return those of an order's commands, in the order of their answers. Raises UnreadableError."""
    misrouted: list[tuple[Record, str, int, int]] = []
    for topic, partition, offset in causes(events):
        async for records in log.read(_TOPICS[topic], partition, offset + 1, start=offset):
            misrouted += [(record, *place) for record in records if (place := first_place(record, topic)) is not None]
    counts = {
        topic: len(await log.ends(_TOPICS.get(topic, ORDER_COMMANDS)))
        for topic in {topic for _, topic, _, _ in misrouted}
    }
    places = {topic: {(record.key or b"", at) for record, of, at, _ in misrouted if of == topic} for topic in counts}
    put_by = {topic: _put_by(places[topic], count) for topic, count in counts.items()}
    return [
        MisroutedCommand(_name(record), topic, partition, offset, record.partition, put_by[topic])
        for record, topic, partition, offset in misrouted
    ]


def _put_by(places: Collection[tuple[bytes, int]], partitions: int) -> str:
    """Return who puts these keys there. Of an earlier number of the topic's partitions only PostgreSQL knows."""
    suspected = suspect(places, partitions)
    if suspected is None:
        return ""
    return (
        suspected.text
        if suspected.partitioner is not None
        else f"{suspected.text} (unless the topic had fewer partitions then)"
    )


def causes(events: Iterable[TimelineEvent]) -> list[tuple[str, int, int]]:
    """Return topic, partition and offset of the records that an order's events answer, each once, if they may be commands."""
    places: dict[tuple[str, int, int], None] = {}
    for event in events:
        if event.type in ANSWER_NAMES:
            with suppress(InvalidIdError):
                topic, partition, offset, _ = parse_event_id(event.event_id)
                if topic in _TOPICS:
                    places[topic, partition, offset] = None
    return list(places)[-MOST_CAUSES:]


def first_place(record: Record, topic: str) -> tuple[str, int, int] | None:
    """Return topic, partition and offset where a command stood before it came to this topic; None where that is its partition."""
    header = FORWARDED if topic == INVENTORY_COMMANDS.name else "ce_id"
    raw = next((value for name, value in record.headers if name == header), None) or b""
    parts = raw.decode(errors="replace").split("/")
    if len(parts) != _ID_PARTS or _ENDS.get(parts[0]) != parts[3] or not (parts[1].isdigit() and parts[2].isdigit()):
        return None
    partition = int(parts[1])
    return None if partition == record.partition else (parts[0], partition, int(parts[2]))


def _name(record: Record) -> str:
    try:
        return message_type(record.value).__name__
    except DecodeError:
        return "a record"
