"""What waits in the log, where no table shows it: partitions that lag or have no owner, and lines that were not decided."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from infra.base.rooms import ROOMS
from infra.ops.groups import owners_by_group
from schemas.codec.wire import decode
from schemas.errors import DecodeError
from schemas.messages import DeadLetter, PlaceOrderLine
from topology.topics import DEAD_LETTERS, INVENTORY_COMMANDS, log_read_by

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    import asyncpg

    from infra.ops.log import Log
    from topology.topics import Topic

MOST_RECORDS: Final = 1_000
"""Undecided records of one partition that are looked at for the orders that they name."""


class Lag(NamedTuple):
    """The undecided records of one partition of a room's log; `since_ms` is the append time of the first.

    `owner` is the member of the room's group that has the partition, None where nobody has.
    """

    room: str
    topic: str
    partition: int
    first: int
    records: int
    since_ms: int
    owner: str | None
    lines: dict[tuple[str, int], int]
    """(order id, line) -> offset, of the order lines among them."""

    @property
    def cause(self) -> str:
        """Return why they wait, as far as Kafka shows it."""
        if self.owner is None:
            return f"no {self.room} process owns {self.topic}/{self.partition}"
        return f"{self.owner} owns {self.topic}/{self.partition} and has not decided offset {self.first} yet"

    @property
    def what_to_do(self) -> str:
        """Return what makes it go on."""
        if self.owner is None:
            return f"start one: `lastunit room {self.room}`"
        return "see that process's log; it ends itself if it does not move"


async def lags(connection: asyncpg.Connection, log: Log, bootstrap: str, namespace: str) -> list[Lag]:
    """Return every partition with undecided records, the longest wait first. Raises UnreadableError."""
    rows = await connection.fetch("SELECT room, partition, next_offsets[1] AS next_offset, group_id FROM claims")
    claims = {(row["room"], row["partition"]): row["next_offset"] for row in rows}
    alone = {room: f"{namespace}{room}" for room in ROOMS}
    groups = {(row["room"], row["partition"]): row["group_id"] or alone.get(row["room"], "") for row in rows}
    owners = await owners_by_group(bootstrap, sorted({*alone.values(), *groups.values()} - {""}))
    undecided: list[Lag] = []
    for room in ROOMS:
        topic = log_read_by(room)
        name = topic.in_namespace(namespace)
        for partition, end in enumerate(await log.ends(topic)):
            first = claims.get((room, partition), 0)
            if first < end and (lag := await _lag(log, topic, partition, first, end)) is not None:
                group = groups.get((room, partition), alone[room])
                owner = owners[group].get((name, partition)) or owners[alone[room]].get((name, partition))
                held_by = f"{owner.client_id} at {owner.host}" if owner is not None else None
                undecided.append(lag._replace(room=room, owner=held_by))
    return sorted(undecided, key=lambda lag: lag.since_ms)


async def _lag(log: Log, topic: Topic, partition: int, first: int, end: int) -> Lag | None:
    """Look at the undecided records of a partition; None where only transactions' markers are left."""
    since_ms: int | None = None
    lines: dict[tuple[str, int], int] = {}
    async for records in log.read(topic, partition, min(end, first + MOST_RECORDS), start=first):
        for record in records:
            since_ms = record.timestamp if since_ms is None else since_ms
            if (line := _placed(record.value)) is not None:
                lines.setdefault((line.order_id, line.line), record.offset)
    if since_ms is None:
        return None
    return Lag("", topic.name, partition, first, end - first, since_ms, None, lines)


class DeadLine(NamedTuple):
    """An order line that became a dead letter: where and why, and when (ms since the epoch, UTC)."""

    cause: str
    at_ms: int


async def dead_lines(log: Log) -> dict[tuple[str, int], DeadLine]:
    """Return the order lines that became dead letters, by order id and line."""
    lines: dict[tuple[str, int], DeadLine] = {}
    async for letter in _letters(log):
        if (line := _placed(letter.value)) is not None:
            where = f"{letter.topic}/{letter.partition}/{letter.offset}"
            cause = f"{where} is a dead letter: {letter.reason}, {letter.detail}"
            lines[line.order_id, line.line] = DeadLine(cause, letter.at_ms)
    return lines


async def _letters(log: Log) -> AsyncIterator[DeadLetter]:
    for partition, end in enumerate(await log.ends(DEAD_LETTERS)):
        async for records in log.read(DEAD_LETTERS, partition, end):
            for record in records:
                try:
                    message: Any = decode(record.value)
                except DecodeError:
                    continue
                if isinstance(message, DeadLetter):
                    yield message


def _placed(value: bytes | None) -> PlaceOrderLine | None:
    try:
        message = decode(value)
    except DecodeError:
        return None
    return message if isinstance(message, PlaceOrderLine) else None


def causes(lagging: Iterable[Lag], dead: Mapping[tuple[str, int], DeadLine]) -> dict[str, dict[int, str]]:
    """Return why order lines have no answer: order id -> line -> cause."""
    by_order: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for (order_id, line), letter in dead.items():
        by_order[order_id][line] = letter.cause
    for lag in lagging:
        if lag.topic == INVENTORY_COMMANDS.name:
            for (order_id, line), offset in lag.lines.items():
                by_order[order_id][line] = f"{lag.topic}/{lag.partition}/{offset} is not decided: {lag.cause}"
    return dict(by_order)
