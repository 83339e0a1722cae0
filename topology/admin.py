"""The topics of a live cluster: compared with the declared ones, and created or altered where that loses nothing.

Nothing here deletes a topic or writes to a cluster that was not named. `add_partitions` alone changes a number of
partitions, and is a step of infra/ops/repartition: by itself it would send keys where nobody may decide about them.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import (
    InvalidPartitionsError,
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)

from topology.differences import (
    ConfigDifference,
    CountDifference,
    MissingTopic,
    ObservedCluster,
    TopologyDiff,
    compare,
)
from topology.errors import (
    ChangeFailedError,
    ChangesRefusedError,
    ClusterMismatchError,
    ClusterNotNamedError,
    KafkaUnreachableError,
    TopicsNotReadyError,
    TopologyDiffersError,
)
from topology.incremental_alter import IncrementalAlterConfigsRequest
from topology.observing import observe
from topology.rules import VERSIONED, begin_with_newest
from topology.topic_metadata import topic_metadata
from topology.topics import DEFAULT_PARTITIONS, TOPICS

REQUEST_TIMEOUT_MS: Final = 10_000
_PROBE_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, and the replicas that only a reassignment by an operator can add."""

    cluster_id: str
    created: tuple[str, ...]
    altered: tuple[ConfigDifference, ...]
    too_few_replicas: tuple[CountDifference, ...]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a cluster should have: see `compare`."""

    namespace: str
    partitions: int
    in_use: Mapping[str, int]

    def compared(self, cluster: ObservedCluster) -> TopologyDiff:
        return compare(cluster, namespace=self.namespace, partitions=self.partitions, in_use=self.in_use)


async def diff(
    bootstrap: str,
    *,
    namespace: str = "",
    partitions: int = DEFAULT_PARTITIONS,
    in_use: Mapping[str, int] | None = None,
    expected_cluster_id: str | None = None,
) -> TopologyDiff:
    """Return how the cluster's topics differ from the declared ones. Changes nothing.

    `in_use` has the recorded numbers of partitions by plain topic name (topology/differences.py).

    Raises KafkaUnreachableError, and ClusterMismatchError where `expected_cluster_id` is another one.
    """
    async with _connected(bootstrap) as client:
        cluster = await observe(client, namespace)
    _require_cluster(expected_cluster_id, cluster, bootstrap)
    return compare(cluster, namespace=namespace, partitions=partitions, in_use=in_use)


async def check(
    bootstrap: str,
    *,
    namespace: str = "",
    partitions: int = DEFAULT_PARTITIONS,
    in_use: Mapping[str, int] | None = None,
    expected_cluster_id: str | None = None,
) -> None:
    """Raise TopologyDiffersError where `diff` finds anything."""
    differences = await diff(
        bootstrap,
        namespace=namespace,
        partitions=partitions,
        in_use=in_use,
        expected_cluster_id=expected_cluster_id,
    )
    if differences:
        raise TopologyDiffersError(differences)


async def apply(
    bootstrap: str,
    *,
    namespace: str = "",
    partitions: int = DEFAULT_PARTITIONS,
    in_use: Mapping[str, int] | None = None,
    expected_cluster_id: str | None,
    allowed: Collection[str] = (),
    deadline_seconds: float = 30.0,
) -> Applied:
    """Create the missing topics, alter the configs that differ, and wait until every partition can be written.

    Each partition that has never had a record begins with the newest version of the decision rules (topology/rules.py).

    All or nothing is refused beforehand: while one difference must not be mended (see `TopologyDiff.refusals`; `allowed`
    has the names of config changes that may lose data), none is. Two processes may apply at once.

    Raises ClusterNotNamedError, ClusterMismatchError, ChangesRefusedError before, ChangeFailedError during, and
    TopicsNotReadyError after the changes; KafkaUnreachableError at any time.
    """
    async with _connected(bootstrap) as client:
        cluster = await observe(client, namespace)
        if expected_cluster_id is None:
            raise ClusterNotNamedError(bootstrap, cluster.cluster_id)
        _require_cluster(expected_cluster_id, cluster, bootstrap)
        wanted = _Wanted(namespace, partitions, in_use or {})
        differences = wanted.compared(cluster)
        if reasons := differences.refusals(allowed):
            raise ChangesRefusedError(differences, reasons)
        await _create(client, differences.missing)
        await _alter(client, differences.configs)
        await _until_ready(client, wanted, deadline_seconds)
    await begin_with_newest(bootstrap, [topic.in_namespace(namespace) for topic in VERSIONED])
    return Applied(
        cluster.cluster_id, tuple(new.topic for new in differences.missing), differences.configs, differences.replicas
    )


async def partitions_of(bootstrap: str, namespace: str = "") -> dict[str, int]:
    """Return how many partitions each declared topic has, by its plain name; without those that are not there.

    Raises KafkaUnreachableError.
    """
    async with _connected(bootstrap) as client:
        cluster = await topic_metadata(client._client, [topic.in_namespace(namespace) for topic in TOPICS])  # noqa: SLF001
    return {
        topic.name: observed.partitions
        for topic in TOPICS
        if (observed := cluster.topics.get(topic.in_namespace(namespace))) is not None
    }


async def add_partitions(
    bootstrap: str,
    name: str,
    partitions: int,
    *,
    expected_cluster_id: str,
    deadline_seconds: float = 30.0,
) -> None:
    """Give the topic `name` that many partitions, and wait until each can be written; harmless where it has them.

    Raises ClusterMismatchError before, ChangeFailedError during, TopicsNotReadyError after; KafkaUnreachableError.
    """
    async with _connected(bootstrap) as client:
        described = await client.describe_cluster()
        if described["cluster_id"] != expected_cluster_id:
            raise ClusterMismatchError(bootstrap, expected_cluster_id, described["cluster_id"])
        if len(await _leaders(client, name)) < partitions:
            try:
                await client.create_partitions({name: NewPartitions(partitions)})
            except InvalidPartitionsError as error:
                raise ChangeFailedError([f"{name}: {error}"]) from error
        deadline = asyncio.get_running_loop().time() + deadline_seconds
        while (ready := sum(leader >= 0 for leader in await _leaders(client, name))) < partitions:
            if asyncio.get_running_loop().time() >= deadline:
                raise TopicsNotReadyError(deadline_seconds, [f"{ready} of {partitions} partitions of {name} are ready"])
            await asyncio.sleep(_PROBE_SECONDS)


async def _leaders(client: AIOKafkaAdminClient, name: str) -> list[int]:
    """Return the leader of each partition, -1 for none."""
    [topic] = await client.describe_topics([name])
    return [partition["leader"] for partition in topic["partitions"]]


@asynccontextmanager
async def _connected(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await client.start()
        yield client
    except (KafkaError, TimeoutError) as error:
        raise KafkaUnreachableError(bootstrap, error) from error
    finally:
        await client.close()


def _require_cluster(expected_cluster_id: str | None, cluster: ObservedCluster, bootstrap: str) -> None:
    if expected_cluster_id not in {None, cluster.cluster_id}:
        raise ClusterMismatchError(bootstrap, str(expected_cluster_id), cluster.cluster_id)


async def _create(client: AIOKafkaAdminClient, missing: Sequence[MissingTopic]) -> None:
    """Create the topics; one that another process created meanwhile is judged by `_until_ready` like all others."""
    if not missing:
        return
    response = await client.create_topics(
        [
            NewTopic(new.topic, new.partitions, new.replication_factor, topic_configs=dict(new.configs))
            for new in missing
        ]
    )
    # create_topics does not raise: each topic has its own answer.
    _raise_failures(
        (name, code, message) for name, code, message in response.topic_errors if code != TopicAlreadyExistsError.errno
    )


async def _alter(client: AIOKafkaAdminClient, differences: Sequence[ConfigDifference]) -> None:
    if not differences:
        return
    configs: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for difference in differences:
        configs[difference.topic].append((difference.config, difference.wanted))
    response = await client._send_request(IncrementalAlterConfigsRequest(list(configs.items())))  # noqa: SLF001
    _raise_failures((name, code, message) for code, message, _, name in response.resources)


def _raise_failures(answers: Iterable[tuple[str, int, str | None]]) -> None:
    failures = [f"{name}: {message or for_code(code).__name__}" for name, code, message in answers if code]
    if failures:
        raise ChangeFailedError(failures)


async def _until_ready(client: AIOKafkaAdminClient, wanted: _Wanted, deadline_seconds: float) -> None:
    """Wait until the cluster shows the declared topics, each partition with a leader."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_seconds
    while True:
        cluster = await observe(client, wanted.namespace)
        left = wanted.compared(cluster)
        waiting_for = [
            *TopologyDiff(left.cluster_id, left.missing, left.partitions, configs=left.configs).lines(),
            *(
                f"{name} has {topic.leaderless} partitions without a leader"
                for name, topic in cluster.topics.items()
                if topic.leaderless
            ),
        ]
        if not waiting_for:
            return
        if loop.time() >= deadline:
            raise TopicsNotReadyError(deadline_seconds, waiting_for)
        await asyncio.sleep(_PROBE_SECONDS)
