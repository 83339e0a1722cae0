"""Looks at everything that can be set up wrong. A server that does not answer is a finding, and the other checks go on."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec

from infra.base.connections import address_of, database
from infra.base.errors import InfraError
from infra.base.partitions import recorded_partitions
from infra.base.rooms import HOSTS, ROOMS
from infra.ops.doctor import findings
from infra.ops.doctor.findings import Finding
from infra.ops.groups import strangers_in
from infra.ops.letters.reading import LetterState, read_letters
from infra.ops.log import Log
from infra.ops.retention.horizon import log_begins
from infra.ops.view_state import redis_trouble
from topology import admin
from topology.errors import TopologyError
from topology.partitioner import partition_of
from topology.topics import INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from consumers.runtime.deciding.record import Record
    from infra.base.settings import Settings
    from topology.topics import Topic

_SHOWN: Final = "SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])"
NEWEST: Final = 200
"""Records of each partition that are looked at for whether their keys belong there."""
_SETTINGS: Final = ["fsync", "synchronous_commit", "full_page_writes"]


class Check(msgspec.Struct, frozen=True):
    """One check with what it found; nothing is good."""

    name: str
    findings: list[Finding]


async def examine(settings: Settings) -> list[Check]:
    """Make every check."""
    checks: dict[str, Callable[[Settings], Awaitable[Iterable[Finding]]]] = {
        "topics as declared, timestamps by the broker, copies": _topics,
        "order.* topics have the partitions that are in use": _co_partitioning,
        "the log is kept whole, as an audit needs it": _retention,
        "clocks of broker, database and this machine agree": _clocks,
        "commits survive a power cut": _postgres,
        "producers partition by murmur2": _partitioners,
        "only rooms are in the rooms' groups": _strangers,
        "Redis keeps what it is given": _redis,
        "disk space": _disk,
    }
    return [Check(name, await _made(check, settings)) for name, check in checks.items()]


async def _made(check: Callable[[Settings], Awaitable[Iterable[Finding]]], settings: Settings) -> list[Finding]:
    try:
        return list(await check(settings))
    except (InfraError, TopologyError, OSError, asyncpg.PostgresError) as error:
        return [Finding("error", f"cannot be checked: {error}", "lastunit ready")]


async def _topics(settings: Settings) -> Iterable[Finding]:
    return findings.of_topics(
        await admin.diff(
            address_of("kafka_bootstrap", settings),
            namespace=settings.namespace,
            partitions=settings.partitions,
            in_use=await _in_use(settings),
            expected_cluster_id=settings.cluster_id,
        )
    )


async def _co_partitioning(settings: Settings) -> Iterable[Finding]:
    actual = await admin.partitions_of(address_of("kafka_bootstrap", settings), settings.namespace)
    return findings.of_partitions(actual, await _in_use(settings))


async def _retention(settings: Settings) -> Iterable[Finding]:
    async with _log(settings) as log:
        return findings.of_retention(await log_begins(log))


async def _clocks(settings: Settings) -> Iterable[Finding]:
    async with database(settings) as connection:
        asked = time.time()
        there = await connection.fetchval("SELECT extract(EPOCH FROM clock_timestamp())::float8")
        here = (asked + time.time()) / 2
    return findings.of_clocks((there - here) * 1000, await _newest_ahead_ms(settings))


async def _newest_ahead_ms(settings: Settings) -> float | None:
    """Return by how much the newest record of the busiest topics is from the future, ms; None without any record."""
    newest: list[int] = []
    async with _log(settings) as log:
        for topic in (INVENTORY_COMMANDS, ORDER_EVENTS):
            for partition, end in enumerate(await log.ends(topic)):
                async for records in log.read(topic, partition, end, start=end - 1):
                    newest += [record.timestamp for record in records]
    return max(newest) - time.time() * 1000 if newest else None


async def _postgres(settings: Settings) -> Iterable[Finding]:
    async with database(settings) as connection:
        rows = await connection.fetch(_SHOWN, _SETTINGS)
    return findings.of_postgres({row["name"]: row["setting"] for row in rows})


async def _partitioners(settings: Settings) -> Iterable[Finding]:
    in_use = await _in_use(settings)
    async with _log(settings) as log:
        opened = [letter for letter in await read_letters(log) if letter.state is LetterState.OPEN]
        collected = list(findings.of_letters(opened))
        for topic in (INVENTORY_COMMANDS, ORDER_COMMANDS):
            partitions = in_use.get(topic.name) or len(await log.ends(topic))
            collected += findings.of_misrouted(topic.name, await _misplaced(log, topic, partitions), partitions)
    return collected


async def _misplaced(log: Log, topic: Topic, partitions: int) -> set[tuple[bytes, int]]:
    """Return (key, partition) of the newest records that stand where their keys do not belong; not of what is forwarded."""
    newest: list[Record] = []
    for partition, end in enumerate(await log.ends(topic)):
        async for records in log.read(topic, partition, end, start=end - NEWEST):
            newest += records
    return {
        (record.key, record.partition)
        for record in newest
        if record.key and partition_of(record.key, partitions) != record.partition
    }


async def _strangers(settings: Settings) -> Iterable[Finding]:
    names = (*ROOMS, *("+".join(rooms) for rooms in HOSTS.values()))
    groups = [f"{settings.namespace}{name}" for name in names]
    return findings.of_strangers(await strangers_in(address_of("kafka_bootstrap", settings), groups))


async def _redis(settings: Settings) -> Iterable[Finding]:
    return findings.of_redis(await redis_trouble(settings))


async def _disk(settings: Settings) -> Iterable[Finding]:
    folder = settings.state_dir if settings.state_dir.exists() else settings.state_dir.parent
    usage = shutil.disk_usage(folder)
    return findings.of_disk(str(folder), usage.total, usage.free)


async def _in_use(settings: Settings) -> dict[str, int]:
    async with database(settings) as connection:
        return await recorded_partitions(connection)


def _log(settings: Settings) -> Log:
    return Log(address_of("kafka_bootstrap", settings), settings.namespace)
