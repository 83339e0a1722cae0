"""Decides records: asks the room, names the outcomes. Pure; the replay runs the same code.

Decision: docs/decisions, 010.
"""

from __future__ import annotations

from itertools import accumulate, groupby, repeat
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import structlog

from consumers.errors import EvolveFailedError, RefusedError
from consumers.runtime.deciding.letters import Letters
from consumers.runtime.deciding.record import MisroutedRecord
from consumers.runtime.deciding.routing import forwarded, settle
from consumers.runtime.room import Tombstone
from producers.publisher import BY_KEY, Outgoing
from schemas.codec.wire import encode, encode_all
from schemas.messages import Message, StockLevel
from schemas.stock_levels import LevelVersion, tombstone_id
from topology.rules import NEWEST
from topology.topics import ADDRESSED_TO_A_PARTITION, LOG_NAMES, STOCK_LEVELS, key_of, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.runtime.deciding.record import Reading, Record
    from consumers.runtime.room import Room

log = structlog.get_logger()
S = TypeVar("S")

LEAST_RUN: Final = 8
"""Messages of a run that is worth being decided as one."""
CLOCK_STEP_MS: Final = 60_000
"""By less a broker's clock may be behind another's, or be set back, without a decision noticing."""
NO_STEP_MS: Final = 2**63
"""More than any step of a clock."""


def outgoing(message: Message, event_id: bytes = b"", partition: int = BY_KEY) -> Outgoing:
    """Encode a message for the topic where it is decided."""
    return Outgoing(LOG_NAMES[type(message)], partition, key_of(message), encode(message), event_id)


def last_value(record: Message | Tombstone, generation: int, partition: int, offset: int) -> Outgoing:
    """Encode what a key of a compacted topic holds, or its end, as of this offset of its partition.

    A stock level carries that as its version (schemas/stock_levels.py).
    """
    if isinstance(record, Tombstone):
        is_level = record.topic == STOCK_LEVELS.name
        event_id = tombstone_id(LevelVersion(generation, offset), partition) if is_level else b""
        return Outgoing(record.topic, BY_KEY, record.key, None, event_id)
    if type(record) is StockLevel:
        return outgoing(msgspec.structs.replace(record, generation=generation, partition=partition, offset=offset))
    return outgoing(record)


def decide_records(
    room: Room[S],
    state: S,
    source: str,
    readings: Sequence[Reading],
    at_ms: int,
    *,
    rules_version: int = NEWEST,
    step_ms: int = CLOCK_STEP_MS,
    misrouted: list[tuple[Record, MisroutedRecord]] | None = None,
) -> tuple[list[Outgoing], int]:
    """Decide records in their order; return the outputs and the time by which the last one was decided.

    That is the latest append time, in ms since the epoch. It does not follow a broker's clock back by less than
    CLOCK_STEP_MS, as clocks of brokers differ; it does follow a larger step, as a clock that was a day ahead for a moment
    would push every deadline by a day otherwise. (`step_ms` is another limit where an audit decides again what a room decided
    of two topics: one may have been read much later than the other, which is no step of a clock.) Records in the wrong partition
    are added to `misrouted`, if it is given.

    Each outcome has an id that derives from its cause. A record that is refused, whose decision failed or cannot be encoded
    changes nothing and becomes a dead letter: a room evolves its state only when all its outcomes are taken.
    Raises EvolveFailedError where the state itself could not be changed: then nothing of the batch may be committed.
    """
    outputs: list[Outgoing] = []
    for run in _runs(readings, room.run_type):
        decided_run = _decide_run(room, state, source, run, at_ms, step_ms=step_ms) if len(run) >= LEAST_RUN else None
        decided, at_ms = decided_run or _decide_each(
            room, state, source, run, at_ms, rules_version=rules_version, step_ms=step_ms, misrouted=misrouted
        )
        outputs += decided
    return outputs, at_ms


def _runs(readings: Sequence[Reading], run_type: type[Message] | None) -> Iterable[Sequence[Reading]]:
    """Cut records into runs of such messages and of others, where a room decides runs."""
    if run_type is None:
        return (readings,)
    kinds = {type(read_as) is run_type for _, read_as in readings}
    if len(kinds) == 1:
        return (readings,)
    return (list(run) for _, run in groupby(readings, lambda reading: type(reading[1]) is run_type))


def _decide_run(
    room: Room[S], state: S, source: str, run: Sequence[Reading], at_ms: int, *, step_ms: int
) -> tuple[list[Outgoing], int] | None:
    """Decide many messages of one type at once; None where that cannot be, and nothing has changed."""
    records, messages = zip(*run, strict=True)
    if room.run_type is None or type(messages[0]) is not room.run_type:
        return None
    appended_ms = [record.timestamp for record in records]
    if min(appended_ms) < max(at_ms, *appended_ms) - step_ms:
        return None
    times_ms = list(accumulate(appended_ms, max, initial=at_ms))[1:]
    outcomes = room.decide_run(state, messages, times_ms)
    if outcomes is None:
        return None
    place = f"{source}/{records[0].partition}/"
    event_ids = [f"{place}{record.offset}/0".encode() for record in records]
    topic = LOG_NAMES[type(outcomes[0])]
    outputs = list(map(Outgoing, repeat(topic), repeat(BY_KEY), keys_of(outcomes), encode_all(outcomes), event_ids))
    try:
        room.evolve_run(state, outcomes)
    except Exception as error:
        raise EvolveFailedError(room.name, room.run_type.__name__, repr(error)) from error
    return outputs, times_ms[-1]


def _decide_each(
    room: Room[S],
    state: S,
    source: str,
    readings: Sequence[Reading],
    at_ms: int,
    *,
    rules_version: int,
    step_ms: int,
    misrouted: list[tuple[Record, MisroutedRecord]] | None,
) -> tuple[list[Outgoing], int]:
    outputs: list[Outgoing] = []
    letters = Letters(room.name, source, rules_version)
    for record, reading in readings:
        read_as = reading
        if record.timestamp > at_ms or record.timestamp < at_ms - step_ms:
            at_ms = record.timestamp
        if isinstance(read_as, MisroutedRecord):
            if misrouted is not None:
                misrouted.append((record, read_as))
            read_as = settle(room.routing, read_as, record, rules_version)
        if isinstance(read_as, Message):
            outputs += _decide(room, state, record, read_as, at_ms, letters=letters)
        elif isinstance(read_as, RefusedError):
            outputs += _refused(letters, record, read_as, at_ms)
            room.lettered(state, record.key)
        else:
            outputs.append(forwarded(record, source, read_as))
    return outputs, at_ms


def _decide(
    room: Room[S], state: S, record: Record, message: Message, at_ms: int, *, letters: Letters
) -> list[Outgoing]:
    """Return what the room makes of a message; its dead letter where it can make nothing of it."""
    outputs: list[Outgoing] = []
    is_lettered = False
    place = f"{letters.source}/{record.partition}/{record.offset}/{room.names_outcomes}"
    try:
        for index, outcome in enumerate(room.decide(state, message, at_ms)):
            if isinstance(outcome, RefusedError):
                outputs += letters.of(record, outcome, at_ms)
                is_lettered = True
            else:
                partition = record.partition if type(outcome) in ADDRESSED_TO_A_PARTITION else BY_KEY
                outputs.append(outgoing(outcome, f"{place}{index}".encode(), partition))
    except EvolveFailedError:
        raise
    except RefusedError as refusal:
        outputs, is_lettered = _refused(letters, record, refusal, at_ms), True
    except Exception as error:
        log.exception("decision_failed", room=room.name, source=letters.source, offset=record.offset)
        failed = RefusedError("decision_failed", repr(error))
        outputs, is_lettered = _refused(letters, record, failed, at_ms), True
    if is_lettered:
        room.lettered(state, record.key)
    return outputs


def _refused(letters: Letters, record: Record, refusal: RefusedError, at_ms: int) -> list[Outgoing]:
    log.warning("dead_letter", room=letters.room, source=letters.source, offset=record.offset, reason=refusal.reason)
    return letters.of(record, refusal, at_ms)
