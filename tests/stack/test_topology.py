"""The topics of a real cluster are compared, created and altered, and nothing in them is ever lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from infra.base.connections import database
from infra.base.partitions import fixed_partitions
from infra.base.settings import Settings
from infra.local.system import FEW_PARTITIONS, _prepared
from tests.harness.waiting import until
from topology.admin import Applied, _until_ready, _Wanted, apply, check, diff, partitions_of
from topology.differences import ConfigDifference, CountDifference
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
from topology.topics import DEAD_LETTERS, ORDER_EVENTS, TOPICS

PARTITIONS = 3


@pytest.fixture
async def admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
def namespace(settings: Settings) -> str:
    return settings.namespace


def bootstrap(settings: Settings) -> str:
    assert settings.kafka_bootstrap is not None
    return settings.kafka_bootstrap


async def applied(
    settings: Settings, namespace: str, *, partitions: int = PARTITIONS, allowed: tuple[str, ...] = ()
) -> Applied:
    return await apply(
        bootstrap(settings),
        namespace=namespace,
        partitions=partitions,
        expected_cluster_id=settings.cluster_id,
        allowed=allowed,
    )


async def differences(settings: Settings, namespace: str, *, partitions: int = PARTITIONS) -> list[str]:
    cluster_diff = await diff(bootstrap(settings), namespace=namespace, partitions=partitions)
    return [line.removeprefix(namespace) for line in cluster_diff.lines()]


async def configs_of(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in response.resources[0][4]}


async def set_config(admin: AIOKafkaAdminClient, topic: str, config: str, value: str) -> None:
    response = await admin._send_request(IncrementalAlterConfigsRequest([(topic, [(config, value)])]))
    assert response.resources[0][0] == 0, response

    async def is_set() -> bool:
        return (await configs_of(admin, topic))[config] == value

    await until(is_set)


async def test_an_empty_namespace_is_filled_and_then_as_declared(settings: Settings, namespace: str) -> None:
    assert await differences(settings, namespace) == [f"{topic.name} is missing" for topic in TOPICS]
    with pytest.raises(TopologyDiffersError, match=r"order\.events is missing"):
        await check(bootstrap(settings), namespace=namespace, partitions=PARTITIONS)

    done = await applied(settings, namespace)

    assert done.created == tuple(topic.in_namespace(namespace) for topic in TOPICS)
    assert done.cluster_id == settings.cluster_id
    await check(
        bootstrap(settings), namespace=namespace, partitions=PARTITIONS, expected_cluster_id=settings.cluster_id
    )
    again = await applied(settings, namespace)
    assert (again.created, again.altered) == ((), ())


async def test_a_topic_can_be_written_as_soon_as_it_is_applied(settings: Settings, namespace: str) -> None:
    await applied(settings, namespace)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap(settings), acks="all") as producer:
        for partition in range(PARTITIONS):
            sent = await producer.send_and_wait(ORDER_EVENTS.in_namespace(namespace), b"?", partition=partition)
            assert sent.timestamp_type == 1, "dated by the broker"


async def test_two_processes_may_apply_at_once(settings: Settings, namespace: str) -> None:
    await asyncio.gather(*(applied(settings, namespace) for _ in range(3)))
    assert await differences(settings, namespace) == []


async def test_the_default_namespace_of_another_is_left_alone(
    settings: Settings, namespace: str, admin: AIOKafkaAdminClient
) -> None:
    before = set(await admin.list_topics())
    await applied(settings, namespace)
    assert all(topic.startswith(namespace) for topic in set(await admin.list_topics()) - before)


async def test_another_cluster_is_never_written_to(settings: Settings, namespace: str) -> None:
    with pytest.raises(ClusterMismatchError) as refused:
        await apply(bootstrap(settings), namespace=namespace, partitions=1, expected_cluster_id="elsewhere")
    assert "elsewhere" in str(refused.value)
    assert str(settings.cluster_id) in str(refused.value)
    with pytest.raises(ClusterMismatchError):
        await diff(bootstrap(settings), namespace=namespace, partitions=1, expected_cluster_id="elsewhere")
    assert len(await differences(settings, namespace)) == len(TOPICS)


async def test_a_cluster_that_nobody_named_is_never_written_to(settings: Settings, namespace: str) -> None:
    with pytest.raises(ClusterNotNamedError, match=f"LASTUNIT_CLUSTER_ID={settings.cluster_id}"):
        await apply(bootstrap(settings), namespace=namespace, partitions=1, expected_cluster_id=None)
    assert len(await differences(settings, namespace)) == len(TOPICS)


async def test_other_partitions_refuse_every_change(
    settings: Settings, namespace: str, admin: AIOKafkaAdminClient
) -> None:
    events = ORDER_EVENTS.in_namespace(namespace)
    created = await admin.create_topics([NewTopic(events, 2, 1, topic_configs=ORDER_EVENTS.kafka_configs(1))])
    assert created.topic_errors[0][1] == 0

    with pytest.raises(ChangesRefusedError, match=r"has 2 partitions, not 3.*LASTUNIT_PARTITIONS=2") as refused:
        await applied(settings, namespace)
    assert refused.value.diff.partitions == (CountDifference(events, PARTITIONS, 2),)
    assert f"{ORDER_EVENTS.name} has 2 partitions, wanted 3" in await differences(settings, namespace)
    assert len(await differences(settings, namespace)) == len(TOPICS), "the missing ones are still missing"

    await applied(settings, namespace, partitions=2)
    assert await differences(settings, namespace, partitions=2) == []


async def test_a_config_is_altered_and_an_operators_own_stays(
    settings: Settings, namespace: str, admin: AIOKafkaAdminClient
) -> None:
    await applied(settings, namespace)
    letters = DEAD_LETTERS.in_namespace(namespace)
    await set_config(admin, letters, "retention.ms", "3600000")
    await set_config(admin, letters, "segment.ms", "7777777")
    assert await differences(settings, namespace) == ["dead.letters has retention.ms=3600000, wanted -1"]

    done = await applied(settings, namespace)

    assert done.altered == (ConfigDifference(letters, "retention.ms", "-1", "3600000"),)
    configs = await configs_of(admin, letters)
    assert (configs["retention.ms"], configs["segment.ms"]) == ("-1", "7777777")


async def test_what_may_lose_data_is_done_only_when_it_is_named(
    settings: Settings, namespace: str, admin: AIOKafkaAdminClient
) -> None:
    await applied(settings, namespace)
    letters = DEAD_LETTERS.in_namespace(namespace)
    await set_config(admin, letters, "cleanup.policy", "compact")
    await set_config(admin, letters, "max.message.bytes", "1000000")

    with pytest.raises(ChangesRefusedError, match=f"Allow it by name: {letters}:cleanup.policy"):
        await applied(settings, namespace)
    assert (await configs_of(admin, letters))["max.message.bytes"] == "1000000", "nothing was changed at all"

    await applied(settings, namespace, allowed=(f"{letters}:cleanup.policy",))
    assert await differences(settings, namespace) == []


async def test_kafkas_own_refusal_is_passed_on(settings: Settings) -> None:
    with pytest.raises(ChangeFailedError, match=r"bad namespace inventory\.commands: .*"):
        await applied(settings, "bad namespace ")


async def test_topics_that_do_not_show_in_time_are_named(namespace: str, admin: AIOKafkaAdminClient) -> None:
    with pytest.raises(TopicsNotReadyError, match=r"after 0 s(.|\n)*order\.events is missing"):
        await _until_ready(admin, _Wanted(namespace, PARTITIONS, {}), deadline_seconds=0)


async def test_a_broker_that_does_not_answer_is_named() -> None:
    with pytest.raises(KafkaUnreachableError, match=r"127\.0\.0\.1:1 .*LASTUNIT_KAFKA_BOOTSTRAP"):
        await diff("127.0.0.1:1")


@pytest.mark.parametrize("given", [None, PARTITIONS])
async def test_a_system_keeps_the_number_of_partitions_with_which_it_began(
    settings: Settings, given: int | None
) -> None:
    """Its first room records it; what the settings say then no longer matters, nor what a release takes for a default."""
    own_kafka = settings.model_copy(update={"kafka_bootstrap": None})
    began_as = own_kafka if given is None else own_kafka.model_copy(update={"partitions": given})
    began = await _prepared(began_as, settings)
    assert began.partitions == (given or FEW_PARTITIONS)
    async with database(settings) as connection:
        actual = await partitions_of(bootstrap(settings), settings.namespace)
        await fixed_partitions(connection, actual, settings.namespace)
    for later in (own_kafka, own_kafka.model_copy(update={"partitions": 9})):
        assert (await _prepared(later, settings)).partitions == began.partitions
    assert set((await partitions_of(bootstrap(settings), settings.namespace)).values()) == {began.partitions}
