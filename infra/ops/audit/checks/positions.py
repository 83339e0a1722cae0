"""What must be true of the rooms' positions: each is decided once, by one owner, and within the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.codec.wire import decode, message_type
from schemas.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from consumers.runtime.deciding.record import Record
    from consumers.runtime.log_identity import LogIdentity
    from consumers.runtime.room import Room
    from infra.ops.audit.report import Tally
    from infra.ops.audit.rows import ClaimRow, OutboxRow
    from infra.ops.log import Range


def check_logs(room: Room[Any], claims: Iterable[ClaimRow], identity: LogIdentity, tally: Tally) -> None:
    """Name the room's log where it is another one than the room has decided: a topic that was made again has the same name."""
    others: dict[str, None] = {}
    for claim in claims:
        if claim.cluster_id not in (None, identity.cluster_id):
            others[f"{room.name} decided the log of cluster {claim.cluster_id}, and this is {identity.cluster_id}"] = (
                None
            )
        if claim.topic_id not in (None, now := identity.topic_id):
            was = f"(id {now}, was {claim.topic_id})"
            others[f"{room.source.name} is another topic than the one that {room.name} decided {was}"] = None
    for words in others:
        tally.breach(f"{words}: `lastunit topology rebase` shows whether it has the same records")


def check_claims(
    claims: Mapping[tuple[str, int], ClaimRow],
    rooms: Iterable[Room[Any]],
    ends: Mapping[str, Sequence[int]],
    tally: Tally,
) -> None:
    """Check epochs and positions. `ends` has the end of each partition of each topic, read after the claims."""
    logs = {room.name: room.source.name for room in rooms}
    for (room, partition), claim in claims.items():
        tally.count(claims=1, epochs=claim.epoch)
        if claim.epoch < 1 or claim.batch < 0 or claim.at_ms < 0:
            tally.breach(f"{room}/{partition} has epoch {claim.epoch}, batch {claim.batch}, at_ms {claim.at_ms}")
        if (topic := logs.get(room)) is not None:
            end = ends[topic][partition] if partition < len(ends[topic]) else 0
            if not 0 <= claim.next_offset <= end:
                tally.breach(f"{room} has decided {topic}/{partition} up to {claim.next_offset}, which ends at {end}")


def check_unused_partitions(unused: Mapping[str, int], tally: Tally) -> None:
    """Check that nobody wrote to partitions that no room reads. `unused` counts their records by topic."""
    for topic, records in unused.items():
        if records:
            tally.breach(
                f"{topic} has {records} records in partitions that no room reads: it got more partitions than orders are "
                "keyed by. Publish them again by a client that sends to the partitions in use (`lastunit topology check`)"
            )


def check_outbox(outbox: Iterable[OutboxRow], claims: Mapping[tuple[str, int], ClaimRow], tally: Tally) -> None:
    """Check that what waits to be published belongs to a batch that was decided."""
    tally.count(outbox_batches=0)
    for row in outbox:
        tally.count(outbox_batches=1)
        claim = claims.get((row.room, row.partition))
        if claim is None or row.batch > claim.batch:
            tally.breach(f"the outbox has batch {row.batch} of {row.room}/{row.partition}, which was never decided")


def check_ranges(name: str, ranges: Iterable[Range], until: Sequence[int], tally: Tally) -> None:
    """Check that the ranges of a room with several sources cover each position once, up to where it is decided."""
    reached = [0] * len(until)
    for part in ranges:
        if part.first < reached[part.source] or part.next <= part.first:
            tally.breach(f"{name} decided {part.first} to {part.next - 1} of source {part.source} a second time")
        reached[part.source] = max(reached[part.source], part.next)
    if reached != list(until):
        tally.breach(f"{name} is decided up to {list(until)}, its ranges say up to {reached}")


def undecided_orders(room: Room[Any], records: Sequence[Record], start: int) -> Iterator[str]:
    """Yield the orders that the room's undecided records (from offset `start` on) are about."""
    for record in records:
        if record.offset < start:
            continue
        try:
            if message_type(record.value) in room.accepts:
                yield from order_of(record.value)
        except DecodeError:
            continue


def order_of(value: bytes | None) -> Iterator[str]:
    """Yield the order that a Kafka value is about, if it is about one."""
    try:
        order_id = getattr(decode(value), "order_id", None)
    except DecodeError:
        return
    if order_id is not None:
        yield order_id
