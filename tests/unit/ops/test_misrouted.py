"""Where the commands of an order stood at first, by what the log itself says of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest

from consumers.views.timeline import TimelineEvent
from infra.ops.log import Log
from infra.ops.misrouted import MisroutedCommand, causes, first_place, misrouted_commands
from producers.publisher import FORWARDED
from schemas import messages as m
from schemas.codec.wire import encode
from tests.given_when_then import A, CancelOrder, PlaceOrderLine
from tests.unit.runtime.records import ARecord
from topology.foreign_partitioners import crc32
from topology.partitioner import partition_of
from topology.topics import INVENTORY_COMMANDS, ORDER_EVENTS, Topic

PARTITIONS = 12


def event(kind: type[m.Message], event_id: str) -> TimelineEvent:
    return TimelineEvent(event_id, kind.__name__, 1, 1, {})


def stands(topic: Topic, message: m.Message, key: str, *headers: tuple[str, bytes]) -> ARecord:
    return ARecord(partition_of(key.encode(), PARTITIONS), 4, 1, key.encode(), encode(message), headers)


class KeptLog:
    """A log of single records, by place."""

    def __init__(self, *records: tuple[Topic, ARecord]) -> None:
        self._records = {(topic.name, record.partition): record for topic, record in records}

    async def read(
        self, topic: Topic, partition: int, until: int, *, start: int = 0
    ) -> AsyncIterator[Sequence[ARecord]]:
        assert until == start + 1
        yield [self._records[topic.name, partition]]

    async def ends(self, _: Topic) -> list[int]:
        return [9] * PARTITIONS


@pytest.mark.parametrize(
    ("header", "place"),
    [
        (b"inventory.commands/99/7/forward", ("inventory.commands", 99, 7)),
        (b"inventory.commands/99/7/0", None),
        (b"inventory.commands/x/7/forward", None),
        (b"other/99/7/forward", None),
        (b"", None),
    ],
)
def test_the_header_of_a_forwarded_command_names_its_first_place(header: bytes, place: Any) -> None:
    record = stands(INVENTORY_COMMANDS, PlaceOrderLine(), "MUG", (FORWARDED, header))
    assert first_place(record, INVENTORY_COMMANDS.name) == place


def test_a_command_that_intake_took_in_where_it_belongs_is_not_misrouted() -> None:
    home = partition_of(A.encode(), PARTITIONS)
    for partition, is_misrouted in ((home, False), (home + 1, True)):
        taken_in = ("ce_id", f"order.commands/{partition}/7/intake:0".encode())
        place = first_place(stands(ORDER_EVENTS, CancelOrder(), A, taken_in), ORDER_EVENTS.name)
        assert (place is not None) == is_misrouted


def test_only_what_may_answer_a_command_is_looked_up_once() -> None:
    asked = [event(m.LineReserved, "inventory.commands/1/2/0"), event(m.LineRejected, "inventory.commands/1/2/0")]
    others = [event(m.OrderPaid, "order.events/1/2/0"), event(m.OrderCancelled, "no id of ours")]
    assert causes([*asked, *others]) == [("inventory.commands", 1, 2)]


async def test_an_orders_misrouted_commands_are_named_with_their_partitioner() -> None:
    stood = crc32(b"MUG") % PARTITIONS
    header = (FORWARDED, f"inventory.commands/{stood}/7/forward".encode())
    record = stands(INVENTORY_COMMANDS, PlaceOrderLine(sku="MUG"), "MUG", header)
    answer = event(m.LineReserved, f"inventory.commands/{record.partition}/4/0")
    [misrouted] = await misrouted_commands(cast("Log", KeptLog((INVENTORY_COMMANDS, record))), [answer])
    assert misrouted == MisroutedCommand(
        "PlaceOrderLine", "inventory.commands", stood, 7, record.partition, misrouted.put_by
    )
    assert misrouted.put_by.startswith("CRC32, librdkafka's default")
