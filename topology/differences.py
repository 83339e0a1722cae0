"""What distinguishes the declared topics from those of a cluster, and which of it may be mended. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from topology.topics import FOREVER, ORDER_EVENTS, TOPICS

REPLICAS: Final = 3
"""Copies of each partition where there are enough brokers: one may fail while another is being serviced."""

_LOWERING_LOSES: Final = frozenset({"retention.ms", "retention.bytes", "min.insync.replicas"})
_CHANGE_LOSES: Final = frozenset({"cleanup.policy"})


@dataclass(frozen=True, slots=True)
class ObservedTopic:
    """One topic as a cluster has it. `leaderless` counts the partitions that nobody can write now."""

    partitions: int
    replication_factor: int
    configs: Mapping[str, str | None]
    leaderless: int = 0


@dataclass(frozen=True, slots=True)
class ObservedCluster:
    """One cluster with its topics by their names there."""

    cluster_id: str
    brokers: int
    topics: Mapping[str, ObservedTopic]


@dataclass(frozen=True, slots=True)
class MissingTopic:
    """A topic to create."""

    topic: str
    partitions: int
    replication_factor: int
    configs: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True)
class CountDifference:
    """A topic with another number of partitions, or with fewer replicas."""

    topic: str
    wanted: int
    actual: int


@dataclass(frozen=True, slots=True)
class ConfigDifference:
    """A topic config with another value; `actual` is None where the cluster does not know the config."""

    topic: str
    config: str
    wanted: str
    actual: str | None

    @property
    def name(self) -> str:
        """What allows this change where it may lose data: `dead.letters:retention.ms`."""
        return f"{self.topic}:{self.config}"

    @property
    def may_lose_data(self) -> bool:
        """Whether Kafka may drop records because of this change, or acknowledge them with fewer copies."""
        if self.config in _CHANGE_LOSES:
            return True
        return self.config in _LOWERING_LOSES and _limit(self.wanted) < _limit(self.actual)


@dataclass(frozen=True, slots=True)
class TopologyDiff:
    """Everything that differs; false when nothing does. Topics that were never declared are nobody's business here.

    `surplus` are topics with more partitions than are in use, which is no difference: the rooms leave them unused
    (topology/copartitioning.py).
    """

    cluster_id: str
    missing: tuple[MissingTopic, ...] = ()
    partitions: tuple[CountDifference, ...] = ()
    replicas: tuple[CountDifference, ...] = ()
    configs: tuple[ConfigDifference, ...] = ()
    surplus: tuple[CountDifference, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.partitions or self.replicas or self.configs)

    def lines(self) -> list[str]:
        """Return one line for each difference, for people."""
        return [
            *(f"{new.topic} is missing" for new in self.missing),
            *(f"{count.topic} has {count.actual} partitions, wanted {count.wanted}" for count in self.partitions),
            *(f"{count.topic} has {count.actual} replicas, wanted {count.wanted}" for count in self.replicas),
            *(f"{one.topic} has {one.config}={one.actual}, wanted {one.wanted}" for one in self.configs),
        ]

    def too_small(self) -> list[str]:
        """Return one line for each topic that would not take the largest lawful message (topology/topics.py)."""
        return [
            f"{one.topic} takes {one.actual} bytes, a lawful message may need {one.wanted}"
            for one in self.configs
            if one.config == "max.message.bytes" and _limit(one.actual) < _limit(one.wanted)
        ]

    def notes(self) -> list[str]:
        """Return one line for each thing that is worth knowing and no difference."""
        return [
            f"{count.topic} has {count.actual} partitions, of which {count.wanted} are in use: its keys are partitioned to "
            f"{count.wanted} for good. The others stay unused; nothing needs to be done, and nothing can be."
            for count in self.surplus
        ]

    def refusals(self, allowed: Collection[str] = ()) -> list[str]:
        """Return why this must not be applied as it is, with what to do; `allowed` names ConfigDifferences."""
        return [
            *(_partitions_refusal(count) for count in self.partitions),
            *(
                f"{one.topic} has {one.config}={one.actual}, and {one.wanted} may lose records that it holds or takes. "
                f"Allow it by name: {one.name}"
                for one in self.configs
                if one.may_lose_data and one.name not in allowed
            ),
        ]


def compare(
    cluster: ObservedCluster, *, namespace: str, partitions: int, in_use: Mapping[str, int] | None = None
) -> TopologyDiff:
    """Return how the topics of `namespace` in `cluster` differ from TOPICS with `partitions` partitions each.

    `in_use` has the recorded numbers by plain topic name, where there are any: they count for more than what is declared. That of
    order.events is the system's own: it holds for topics without a record too.
    """
    in_use = in_use or {}
    declared = in_use.get(ORDER_EVENTS.name, partitions)
    replicas = min(REPLICAS, cluster.brokers)
    missing: list[MissingTopic] = []
    other_partitions: list[CountDifference] = []
    other_replicas: list[CountDifference] = []
    configs: list[ConfigDifference] = []
    surplus: list[CountDifference] = []
    for topic in TOPICS:
        name, wanted = topic.in_namespace(namespace), in_use.get(topic.name, declared)
        observed = cluster.topics.get(name)
        if observed is None:
            missing.append(MissingTopic(name, wanted, replicas, topic.kafka_configs(replicas)))
            continue
        if observed.partitions > wanted and topic.name in in_use and not topic.may_get_more_partitions:
            surplus.append(CountDifference(name, wanted, observed.partitions))
        elif observed.partitions < wanted or (observed.partitions > wanted and not topic.may_get_more_partitions):
            other_partitions.append(CountDifference(name, wanted, observed.partitions))
        if observed.replication_factor < replicas:
            other_replicas.append(CountDifference(name, replicas, observed.replication_factor))
        configs += [
            ConfigDifference(name, config, value, observed.configs.get(config))
            for config, value in topic.kafka_configs(observed.replication_factor).items()
            if observed.configs.get(config) != value
        ]
    return TopologyDiff(
        cluster.cluster_id,
        tuple(missing),
        tuple(other_partitions),
        tuple(other_replicas),
        tuple(configs),
        tuple(surplus),
    )


def _partitions_refusal(count: CountDifference) -> str:
    if count.actual < count.wanted:
        why = "more partitions would move keys, and two processes would write one SKU or order"
    else:
        why = "Kafka cannot take partitions away"
    way = f"or start a new namespace with {count.wanted} and move over"
    if any(topic.may_get_more_partitions and count.topic.endswith(topic.name) for topic in TOPICS):
        way = f"and run `lastunit topology repartition --partitions {count.wanted}`"
    return (
        f"{count.topic} has {count.actual} partitions, not {count.wanted}: {why}. "
        f"Set LASTUNIT_PARTITIONS={count.actual}, {way}."
    )


def _limit(value: str | None) -> float:
    """Return a Kafka limit as a number; -1 is none at all, and so is a config that the cluster does not know."""
    return float("inf") if value is None or int(value) == FOREVER else int(value)
