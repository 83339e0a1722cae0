"""From what was observed to what is wrong with it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from infra.base.spans import age
from topology.copartitioning import partitions_in_use
from topology.errors import CoPartitioningError
from topology.foreign_partitioners import suspect

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from infra.ops.letters.reading import Letter
    from topology.differences import TopologyDiff

Severity = Literal["error", "warning"]

SKEW_MS: Final = 1_000
"""Clocks that differ by more end deadlines visibly early or late."""
BAD_SKEW_MS: Final = 30_000
LEAST_FREE: Final = 0.1
LEAST_FREE_BYTES: Final = 1024**3
BAD_FREE: Final = 0.02
_APPLY: Final = "lastunit topology apply"
_SAFE_SETTINGS: Final = ("fsync", "synchronous_commit", "full_page_writes")
_LOSES: Final = "a power cut may lose what was committed, or break the tables"


class Finding(msgspec.Struct, frozen=True):
    """What is wrong, and the command, or the step, that mends it. An `error` loses data or keeps orders from flowing."""

    severity: Severity
    what: str
    to_do: str


def of_topics(diff: TopologyDiff) -> Iterator[Finding]:
    """Yield how the cluster's topics differ from the declared ones; the number of copies is advice."""
    for topic in diff.missing:
        yield Finding("error", f"{topic.topic} is missing", _APPLY)
    for count in diff.partitions:
        to_do = "lastunit topology repartition --help, for inventory.commands; others keep their number"
        yield Finding("error", f"{count.topic} has {count.actual} partitions, wanted {count.wanted}", to_do)
    for config in diff.configs:
        allow = f" --allow {config.name}" if config.may_lose_data else ""
        why = ": deadlines would follow the clocks of producers" if config.config == "message.timestamp.type" else ""
        yield Finding(
            "error", f"{config.topic} has {config.config}={config.actual}, wanted {config.wanted}{why}", _APPLY + allow
        )
    for count in diff.replicas:
        to_do = f"kafka-reassign-partitions, to give {count.topic} {count.wanted} replicas"
        yield Finding("warning", f"{count.topic} has {count.actual} replicas, wanted {count.wanted}", to_do)


def of_retention(begins: Mapping[str, Sequence[int]]) -> Iterator[Finding]:
    """Yield which logs have lost their first records; `begins` are the first offsets of the topics that an audit reads."""
    for topic, firsts in begins.items():
        if gone := [f"{topic}/{partition} begins at {first}" for partition, first in enumerate(firsts) if first]:
            yield Finding(
                "warning",
                f"{', '.join(gone)}: a replay needs all of it, and verify judges only what is left",
                f"kafka-configs --alter --topic {topic} --add-config retention.ms=-1,retention.bytes=-1",
            )


def of_clocks(database_ms: float, log_ms: float | None) -> Iterator[Finding]:
    """Yield clocks that differ from this machine's: of PostgreSQL by `database_ms` (ahead: more than 0), of Kafka's broker.

    `log_ms` is by how much the newest record is from the future, None where no record is: a broker that is behind cannot be
    told from a log at rest.
    """
    skews = (("PostgreSQL", database_ms), ("Kafka's broker", log_ms))
    for whose, skew in skews:
        if skew is not None and abs(skew) > SKEW_MS and (skew > 0 or whose == "PostgreSQL"):
            way = "ahead of" if skew > 0 else "behind"
            severity: Severity = "error" if abs(skew) > BAD_SKEW_MS else "warning"
            what = f"the clock of {whose} is {age(abs(skew))} {way} this machine's"
            yield Finding(severity, what, "timedatectl set-ntp true, on both machines")


def of_postgres(shown: Mapping[str, str]) -> Iterator[Finding]:
    """Yield settings with which a commit is none."""
    for name in _SAFE_SETTINGS:
        if shown.get(name) == "off":
            to_do = f"psql -c 'ALTER SYSTEM SET {name} = on' -c 'SELECT pg_reload_conf()'"
            yield Finding("error", f"PostgreSQL runs with {name} = off: {_LOSES}", to_do)


def of_strangers(strangers: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Yield members of our groups that are no rooms: a partition that one is given is decided by nobody."""
    for group, members in strangers.items():
        for member in members:
            yield Finding("error", f"a stranger is in group {group}: {member}", "end it, or give it a group of its own")


def of_letters(letters: Sequence[Letter]) -> Iterator[Finding]:
    """Yield producers with a wrong partitioner, by the open letters that they caused."""
    if wrong := [letter for letter in letters if letter.source.reason == "wrong_partition"]:
        topics = ", ".join(sorted({letter.source.topic for letter in wrong}))
        yield Finding(
            "error",
            f"{len(wrong)} records of {topics} came to wrong partitions: a producer does not partition by murmur2",
            "set partitioner=murmur2_random there, then: lastunit letters redrive --reason wrong_partition --why TEXT",
        )


def of_misrouted(topic: str, places: Collection[tuple[bytes, int]], partitions: int) -> Iterator[Finding]:
    """Yield who put the newest records of a topic where their keys do not belong: (key, partition), in a topic of so many."""
    if (suspected := suspect(places, partitions)) is not None:
        yield Finding(
            "warning",
            f"of the newest records of {topic} {len(places)} stand in partitions where their keys do not belong, and are forwarded",
            suspected.text,
        )


def of_disk(folder: str, total_bytes: int, free_bytes: int) -> Iterator[Finding]:
    """Yield a disk that is filling up: without space neither Kafka nor PostgreSQL takes anything."""
    share = free_bytes / max(1, total_bytes)
    if share < LEAST_FREE or free_bytes < LEAST_FREE_BYTES:
        severity: Severity = "error" if share < BAD_FREE else "warning"
        what = f"{free_bytes / 1024**3:.1f} GiB ({share:.0%}) are free where {folder} is"
        yield Finding(severity, what, f"du -sh {folder}/*, then a larger disk or a shorter LASTUNIT_RETENTION_DAYS")


def of_redis(trouble: str) -> Iterator[Finding]:
    """Yield why Redis cannot keep views, or may lose them."""
    if trouble:
        yield Finding("error", trouble, "redis-cli CONFIG SET maxmemory-policy noeviction, and more memory")


def of_partitions(actual: Mapping[str, int], recorded: Mapping[str, int]) -> Iterator[Finding]:
    """Yield topics that have fewer partitions than the others that they are read together with."""
    try:
        partitions_in_use(actual, recorded)
    except CoPartitioningError as error:
        yield Finding("error", str(error), "as it says; rooms do not start before")
    except KeyError as missing:
        yield Finding("error", f"{missing.args[0]} is missing", _APPLY)
