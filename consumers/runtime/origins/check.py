"""Holds events that move money against the rows of the rooms that decide them, a fetch at a time.

An event is published after its decision was committed, so the row of its room confirms it. One that the row does not
confirm was not decided by that room: it is refused before any room decides on it, and becomes a dead letter. Only a
database that went back knows less than the log; then the event waits until its room has decided the cause again.

Decision: docs/decisions, 036.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from consumers.errors import NotDecidedError
from consumers.runtime.origins.confirmations import CONFIRMATIONS, find_fault
from consumers.runtime.origins.event_origin import KEYED_BY_SKU, EventOrigin, origin_of
from consumers.runtime.postgres.queries import QUERIES
from consumers.runtime.postgres.sql import array_literal, columns
from schemas.ids import is_order_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from consumers.runtime.deciding.batch import DecodedSlice
    from consumers.runtime.hosting import Hosting
    from consumers.runtime.postgres.database import Database
    from producers.outage import Readiness

    EndOffsets = Callable[[list[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]

log = structlog.get_logger()


class Guarded(NamedTuple):
    """A reading, by its place in a slice, whose event has an id that its room can have made."""

    decoded: DecodedSlice
    at: int
    origin: EventOrigin
    order_id: str


class OriginCheck:
    """The check of one process, for the events that its rooms guard. While an event waits, the process is not ready."""

    def __init__(self, hosting: Hosting, namespace: str, database: Database, readiness: Readiness) -> None:
        self._name = hosting.name
        self._topic = hosting.source.name
        self._all = hosting.guards
        self._asked = hosting.guards - hosting.confirms_in_commit
        self._namespace = namespace
        self._database = database
        self._readiness = readiness
        self._obstacle = f"events of {hosting.name}"
        self._waiting: dict[int, int] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether an event waits here for its room."""
        return bool(self._waiting)

    async def hold_back(
        self, slices: Sequence[DecodedSlice], end_offsets: EndOffsets, *, thorough: bool
    ) -> tuple[list[DecodedSlice], list[DecodedSlice]]:
        """Put a refusal in the place of each guarded event that its room did not decide.

        Return the slices up to the first event in each that has to wait, and what begins with such an event. Those that a
        commit confirms are left to it, unless `thorough`: a commit was refused.
        """
        waiting: list[Guarded] = []
        for room, guarded in self._by_room(slices, thorough=thorough).items():
            waiting += await self._without_forged(await self._compare(room, guarded), end_offsets)
        first: dict[int, Guarded] = {}
        for each in waiting:
            known = first.get(id(each.decoded))
            if known is None or each.at < known.at:
                first[id(each.decoded)] = each
        kept, held = [], []
        for decoded in slices:
            if (event := first.get(id(decoded))) is None:
                kept.append(decoded)
                self._goes_on(decoded)
                continue
            before, at, _ = decoded.cut(event.at)
            if before.next > before.first:
                kept.append(before)
            held.append(at)
            self._waits(at, event.origin)
        return kept, held

    def revoked(self, partitions: Iterable[int]) -> None:
        """Forget what waited in these partitions: they are another process's."""
        gone = set(partitions)
        self._waiting = {at: first for at, first in self._waiting.items() if at not in gone}
        if not self._waiting:
            self._readiness.cleared(self._obstacle)

    def _by_room(self, slices: Sequence[DecodedSlice], *, thorough: bool) -> dict[str, list[Guarded]]:
        """Return the guarded events whose rows are to be asked, by the room that decides them; refuse impossible ids."""
        by_room: dict[str, list[Guarded]] = {}
        kinds = self._all if thorough else self._asked
        for decoded in slices if kinds else ():
            for at, (record, message) in enumerate(decoded.readings):
                if type(message) not in kinds or not is_order_id(order_id := message.order_id):  # type: ignore[union-attr]
                    continue
                confirmation = CONFIRMATIONS[type(message)]  # type: ignore[index]
                if not (thorough or confirmation.is_asked(message)):
                    continue
                origin = origin_of(record, self._topic, confirmation.room)
                if isinstance(origin, str):
                    _refuse(decoded, at, origin)
                else:
                    by_room.setdefault(confirmation.room, []).append(Guarded(decoded, at, origin, order_id))
        return by_room

    async def _compare(self, room: str, guarded: Sequence[Guarded]) -> list[Guarded]:
        """Refuse what the room's rows do not confirm; return what the room has not come to yet."""
        wanted: list[Any] = [array_literal([each.order_id for each in guarded])]
        wanted.append([each.origin.partition for each in guarded])
        if room == KEYED_BY_SKU:
            wanted += columns([_line_of(each) for each in guarded], 3)
        query = QUERIES[f"confirm_{room}"]
        rows = await self._database.run_with_retry("load", lambda c: c.fetch(query, *wanted))
        undecided = []
        for row in rows:
            each = guarded[row["n"] - 1]
            if not _is_decided(each.origin, row):
                if each.origin.is_of_the_past and row["next_offsets"] is not None:
                    _refuse(each.decoded, each.at, _never_decided(room, each.origin))
                else:
                    undecided.append(each)
            elif (fault := find_fault(_event(each), row)) is not None:
                _refuse(each.decoded, each.at, fault)
        return undecided

    async def _without_forged(self, undecided: Sequence[Guarded], end_offsets: EndOffsets) -> list[Guarded]:
        """Refuse what has a cause that is not on the log; the cause of the others is there, and will be decided."""
        if not undecided:
            return []
        tps = [TopicPartition(self._namespace + each.origin.topic, each.origin.partition) for each in undecided]
        try:
            ends = await end_offsets(list(set(tps)))
        except KafkaError as error:
            log.warning("ends_unknown", room=self._name, error=repr(error))
            return list(undecided)
        pending = []
        for each, tp in zip(undecided, tps, strict=True):
            topic, _, partition, offset = each.origin
            end = ends.get(tp, 0)
            if offset < end:
                pending.append(each)
            else:
                _refuse(each.decoded, each.at, f"its id names {topic}/{partition}/{offset}, and that log ends at {end}")
        return pending

    def _waits(self, held: DecodedSlice, origin: EventOrigin) -> None:
        if self._waiting.get(held.partition) == held.first:
            return
        self._waiting[held.partition] = held.first
        room = CONFIRMATIONS[type(held.readings[0][1])].room  # type: ignore[index]
        cause = f"{origin.topic}/{origin.partition}/{origin.offset}"
        log.warning(
            "event_waits_for_its_room",
            room=self._name,
            partition=held.partition,
            offset=held.first,
            decided_by=room,
            cause=cause,
        )
        self._readiness.blocked(
            self._obstacle,
            f"partition {held.partition} waits at offset {held.first} until {room} has decided {cause} again: PostgreSQL "
            f"is older than the log, and {room} has to run",
        )

    def _goes_on(self, decoded: DecodedSlice) -> None:
        if self._waiting and self._waiting.pop(decoded.partition, None) is not None:
            self.revoked(())


def _is_decided(origin: EventOrigin, row: Any) -> bool:
    positions = row["next_offsets"]
    return positions is not None and origin.source < len(positions) and origin.offset < positions[origin.source]


def _never_decided(room: str, origin: EventOrigin) -> str:
    named = f"its id names {origin.topic}/{origin.partition}/{origin.offset}"
    return f"{named}, which intake has taken in: {room} decides nothing there any more"


def _event(guarded: Guarded) -> Any:
    return guarded.decoded.readings[guarded.at][1]


def _line_of(guarded: Guarded) -> tuple[int, str, int]:
    """Return by what a line's hold is found, and when its event came (ms)."""
    event = _event(guarded)
    return event.line, event.sku, guarded.decoded.readings[guarded.at][0].timestamp


def _refuse(decoded: DecodedSlice, at: int, fault: str) -> None:
    record, message = decoded.readings[at]
    detail = f"{type(message).__name__} of {message.order_id}: {fault}"  # type: ignore[union-attr]
    decoded.readings[at] = (record, NotDecidedError(message, detail))  # type: ignore[arg-type]
