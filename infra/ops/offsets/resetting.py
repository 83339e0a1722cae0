"""Plans and carries out a reset: of a foreign group in Kafka, of a projection where its positions are.

It is noted on operator.actions before: a note without an effect is harmless, an effect without a note is not.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from consumers.lag.kafka import Cluster
from consumers.projections import trend_store
from consumers.views import store
from infra.base.connections import address_of, kafka_publisher, redis_client
from infra.base.errors import InfraError
from infra.base.rooms import READERS, TRENDS
from infra.ops.errors import UnreadableError
from infra.ops.offsets.guard import projection_of, refusal
from infra.ops.offsets.plan import Move, detail_of, moves_of
from producers.publisher import BY_KEY, Outgoing
from schemas.codec.wire import encode
from schemas.limits import MAX_TEXT_BYTES
from schemas.messages import OperatorAction
from topology.topics import OPERATOR_ACTIONS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from consumers.lag.model import LagSnapshot
    from infra.base.settings import Settings
    from infra.ops.offsets.plan import Place, Target

RESET: Final = "reset_offsets"


def subject_of(group: str) -> str:
    """Return how operator.actions names a group."""
    return f"group/{group}"


class RefusedResetError(InfraError):
    """These positions cannot be set so; the text is for whoever asked."""


class Reset(msgspec.Struct, frozen=True):
    """What a reset of one group does. `projection` names the one of this system that the group is, "" where it is foreign."""

    group: str
    projection: str
    moves: list[Move]

    @property
    def redone(self) -> int:
        """Offsets that are read a second time."""
        return sum(move.redone for move in self.moves)

    @property
    def skipped(self) -> int:
        """Offsets that are never read."""
        return sum(move.skipped for move in self.moves)

    @property
    def first_at_ms(self) -> int | None:
        """When the oldest record that is read again was written, ms since the epoch; None where it is not known."""
        return min(
            (move.first_at_ms for move in self.moves if move.redone and move.first_at_ms is not None), default=None
        )


async def plan_reset(
    settings: Settings, group: str, target: Target, *, topic: str | None = None, partition: int | None = None
) -> Reset:
    """Return what a reset would do, changing nothing; `topic` (as Kafka names it) and `partition` narrow it down.

    Raises RefusedResetError, UnreadableError, InfraError.
    """
    projection = projection_of(group, settings.namespace)
    async with _cluster(settings) as cluster:
        look = await asyncio.to_thread(cluster.look, dict, wanted=lambda name: name == group)
        if why := refusal(group, settings.namespace, look):
            raise RefusedResetError(why)
        positions = await _positions(settings, group, projection, look)
        wanted = {
            place: at for place, at in positions.items() if topic in {None, place[0]} and partition in {None, place[1]}
        }
        if not wanted:
            raise RefusedResetError(
                f"{group} has no position {_where(topic, partition)}; `lastunit lag --group {group} --partitions` shows where."
            )
        moves = await asyncio.to_thread(_moves, cluster, wanted, target, look)
    reset = Reset(group, projection, moves)
    if projection and reset.skipped:
        raise RefusedResetError(
            f"{group} would leave out {reset.skipped:,} records: what {projection} keeps would be wrong for good. It can only be set back."
        )
    return reset


async def carry_out(settings: Settings, reset: Reset, *, by: str, why: str) -> None:
    """Note it, then do it. Kafka itself refuses where somebody of the group has come meanwhile.

    Raises RefusedResetError, InfraError, PublishError.
    """
    if not reset.moves:
        return
    subject = subject_of(reset.group)
    note = OperatorAction(subject, RESET, by, why, detail_of(reset.moves, MAX_TEXT_BYTES))
    async with kafka_publisher(settings) as publisher:
        await publisher.publish([Outgoing(OPERATOR_ACTIONS.name, BY_KEY, subject.encode(), encode(note))])
    if reset.projection in READERS:
        async with redis_client(settings) as redis:
            await store.set_positions(redis, settings.namespace, {move.partition: move.to for move in reset.moves})
        return
    async with _cluster(settings) as cluster:
        to = {(move.topic, move.partition): move.to for move in reset.moves}
        if errors := await asyncio.to_thread(cluster.set_positions, reset.group, to):
            raise RefusedResetError(f"Kafka does not set the positions of {reset.group}: {'; '.join(errors)}.")
    if reset.projection == TRENDS:
        async with redis_client(settings) as redis:
            for move in reset.moves:
                source = f"{move.topic.removeprefix(settings.namespace)}/{move.partition}"
                await trend_store.forget(redis, settings.namespace, source)


@asynccontextmanager
async def _cluster(settings: Settings) -> AsyncIterator[Cluster]:
    cluster = Cluster(address_of("kafka_bootstrap", settings), {})
    try:
        yield cluster
    finally:
        await asyncio.to_thread(cluster.close)


async def _positions(settings: Settings, group: str, projection: str, look: LagSnapshot) -> Mapping[Place, int]:
    """Return where a group stands: the views in Redis, everybody else in Kafka."""
    if projection not in READERS:
        return look.groups[group].committed or {}
    topic = ORDER_EVENTS.in_namespace(settings.namespace)
    partitions = [number for name, number in look.logs if name == topic]
    async with redis_client(settings) as redis:
        stored = await store.read_positions(redis, settings.namespace, partitions)
    return {(topic, number): at for number, at in stored.items() if at is not None}


def _moves(cluster: Cluster, positions: Mapping[Place, int], target: Target, look: LagSnapshot) -> list[Move]:
    """Return the moves, each with the time of its first record. Raises UnreadableError."""
    if missing := sorted(positions.keys() - look.logs.keys()):
        raise UnreadableError(
            f"The log of {missing[0][0]}/{missing[0][1]} could not be read: {'; '.join(look.errors) or 'there is no such topic'}."
        )
    errors: list[str] = []
    since = cluster.offsets_since(positions, target.value, errors) if target.kind == "time" else {}
    if errors:
        raise UnreadableError(f"{'; '.join(errors)}.")
    moves = moves_of(positions, look.logs, target, since)
    firsts = cluster.first_records({(move.topic, move.partition, move.to) for move in moves}, look.topic_ids)
    return [
        msgspec.structs.replace(move, first_at_ms=first.at_ms)
        if (first := firsts.get((move.topic, move.partition, move.to))) is not None
        else move
        for move in moves
    ]


def _where(topic: str | None, partition: int | None) -> str:
    if topic is None:
        return "at all" if partition is None else f"in a partition {partition}"
    return f"in {topic}" if partition is None else f"in {topic}/{partition}"
