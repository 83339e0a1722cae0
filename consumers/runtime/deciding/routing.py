"""What becomes of a record that stands where its key does not belong, or came without one. Pure; the replay runs the same code.

Only the owner of a key decides about it. So one room for each topic that the outside writes sends such a record on, whole,
through its outbox, as an outcome of deciding the record; intake, which keeps no state, takes it in wherever it stands.
A record that was sent on once and stands wrong again is a dead letter: two owners that disagree about a key would pass it
to and fro for ever. Only a newer number of partitions moves it again.

Decision: docs/decisions, 043.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.runtime.deciding.record import Forward
from consumers.runtime.room import Routing
from producers.publisher import FORWARDED, Outgoing
from topology.rules import FORWARDS_MISROUTED
from topology.topics import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from consumers.errors import RefusedError
    from consumers.runtime.deciding.record import MisroutedRecord, Record
    from schemas.messages import Message

MAX_FORWARDED_BYTES: Final = MAX_RECORD_BYTES // 2
"""A forwarded record gets one header more, and must fit its topic still; only foreign headers can make one so large."""


def settle(
    routing: Routing, misrouted: MisroutedRecord, record: Record, rules_version: int
) -> Message | RefusedError | Forward:
    """Return what is to be done about a misrouted record under these rules: decide it, refuse it, or send it on.

    One that is of an earlier number of partitions is sent on under every version (docs/guides/repartition.md).
    """
    forward = Forward(misrouted.home_partition, misrouted.key)
    fits = _size(record) <= MAX_FORWARDED_BYTES
    if misrouted.is_of_earlier_number and fits:
        return forward
    if rules_version < FORWARDS_MISROUTED or routing is Routing.REFUSES:
        return misrouted.refusal(record)
    if routing is Routing.DECIDES:
        return misrouted.message
    return forward if fits and not _was_forwarded(record) else misrouted.refusal(record)


def forwarded(record: Record, source: str, forward: Forward) -> Outgoing:
    """Send a record on, whole, to where its key belongs, with the place that it comes from in a header of its own."""
    headers = tuple(header for header in record.headers if header[0] != FORWARDED) if record.headers else ()
    event_id = f"{source}/{record.partition}/{record.offset}/forward".encode()
    return Outgoing(source, forward.home_partition, forward.key, record.value, event_id, headers)


def _was_forwarded(record: Record) -> bool:
    return any(name == FORWARDED for name, _ in record.headers)


def _size(record: Record) -> int:
    return len(record.value or b"") + sum(len(name) + len(value or b"") for name, value in record.headers)
