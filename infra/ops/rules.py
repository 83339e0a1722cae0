"""Which version of the decision rules is in force in each partition, and how a later one is adopted (docs/guides/rules.md)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from infra.base.connections import address_of, database
from infra.base.rooms import ROOMS
from infra.ops.errors import RulesRefusedError
from infra.ops.log import Log
from topology.rules import NEWEST, UNVERSIONED, VERSIONED, adopt
from topology.topics import log_read_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.base.settings import Settings
    from topology.topics import Topic

_LOOK_SECONDS: Final = 0.2
_CLAIMS: Final = "SELECT room, partition, rules_version FROM claims"


class InForce(msgspec.Struct, frozen=True):
    """The versions of one partition by room. A room that has decided nothing there yet is left out."""

    topic: str
    partition: int
    versions: dict[str, int]

    @property
    def least(self) -> int:
        """The version that every room there has adopted; 0 where nobody has decided anything."""
        return min(self.versions.values(), default=UNVERSIONED)


async def in_force(settings: Settings, topics: Sequence[Topic] = VERSIONED) -> list[InForce]:
    """Return the versions in force in these topics, partition by partition."""
    async with database(settings) as connection, Log(_bootstrap(settings), settings.namespace) as log:
        rows = await connection.fetch(_CLAIMS)
        return [
            InForce(topic.name, partition, _versions(topic, partition, rows))
            for topic in topics
            for partition in range(len(await log.ends(topic)))
        ]


async def adopt_everywhere(
    settings: Settings,
    version: int = NEWEST,
    *,
    timeout_seconds: float = 30.0,
    topics: Sequence[Topic] = VERSIONED,
) -> list[InForce]:
    """Append a version to each partition of these topics that lacks it, and wait until the rooms have adopted it; return what is in force.

    Raises RulesRefusedError for a version that this release does not know or that would go back somewhere.
    """
    before = await in_force(settings, topics)
    if not UNVERSIONED < version <= NEWEST:
        raise RulesRefusedError.unknown(version, NEWEST)
    if later := [each for each in before if max(each.versions.values(), default=0) > version]:
        raise RulesRefusedError.back(version, later[0].topic, later[0].partition, max(later[0].versions.values()))
    lacking: dict[str, list[int]] = {}
    for each in before:
        if each.least < version:
            lacking.setdefault(settings.namespace + each.topic, []).append(each.partition)
    await adopt(_bootstrap(settings), version, lacking)
    deadline = asyncio.get_running_loop().time() + timeout_seconds
    while True:
        after = await in_force(settings, topics)
        if all(each.least >= version for each in after) or asyncio.get_running_loop().time() >= deadline:
            return after
        await asyncio.sleep(_LOOK_SECONDS)


def _versions(topic: Topic, partition: int, rows: list[Any]) -> dict[str, int]:
    readers = {room for room in ROOMS if log_read_by(room) is topic}
    return {
        row["room"]: row["rules_version"] for row in rows if row["partition"] == partition and row["room"] in readers
    }


def _bootstrap(settings: Settings) -> str:
    return address_of("kafka_bootstrap", settings)
