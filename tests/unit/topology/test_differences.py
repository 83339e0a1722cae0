from collections.abc import Mapping
from dataclasses import replace

import pytest

from topology.differences import (
    ConfigDifference,
    CountDifference,
    MissingTopic,
    ObservedCluster,
    ObservedTopic,
    TopologyDiff,
    compare,
)
from topology.topics import CO_PARTITIONED, DEAD_LETTERS, ORDER_EVENTS, TOPICS, Topic


def cluster(brokers: int = 1, replicas: int = 1, partitions: int = 4) -> ObservedCluster:
    return ObservedCluster(
        "C",
        brokers,
        {
            topic.in_namespace("t."): ObservedTopic(partitions, replicas, topic.kafka_configs(replicas))
            for topic in TOPICS
        },
    )


def changed(observed: ObservedCluster, name: str, configs: Mapping[str, str | None]) -> ObservedCluster:
    topic = observed.topics[name]
    return replace(observed, topics={**observed.topics, name: replace(topic, configs={**topic.configs, **configs})})


def differences(observed: ObservedCluster, partitions: int = 4) -> TopologyDiff:
    return compare(observed, namespace="t.", partitions=partitions)


def test_a_cluster_as_declared_does_not_differ() -> None:
    diff = differences(cluster())
    assert not diff
    assert diff.lines() == diff.refusals() == []


def test_another_namespace_and_a_strangers_topic_are_nobodys_business() -> None:
    observed = cluster()
    stranger = ObservedTopic(99, 1, {})
    assert not differences(
        replace(observed, topics={**observed.topics, "t.theirs": stranger, "u.order.events": stranger})
    )


def test_a_missing_topic_is_to_be_created_whole() -> None:
    observed = cluster(brokers=5, replicas=3)
    topics = {name: topic for name, topic in observed.topics.items() if name != "t.order.events"}
    diff = differences(replace(observed, topics=topics))
    assert diff == TopologyDiff("C", missing=(MissingTopic("t.order.events", 4, 3, ORDER_EVENTS.kafka_configs(3)),))
    assert diff.missing[0].configs["min.insync.replicas"] == "2"
    assert diff.refusals() == []


@pytest.mark.parametrize(("wanted", "why"), [(12, "would move keys"), (2, "cannot take partitions away")])
def test_a_number_of_partitions_is_never_changed(wanted: int, why: str) -> None:
    diff = differences(cluster(partitions=4), partitions=wanted)
    assert diff.partitions[-1] == CountDifference("t.dead.letters", wanted, 4)
    refusals = diff.refusals(allowed=["t.dead.letters:partitions"])
    assert len(refusals) == len(diff.partitions) >= len(TOPICS) - 1
    assert why in refusals[-1]
    assert "LASTUNIT_PARTITIONS=4" in refusals[-1]


def test_commands_may_stand_in_more_partitions_than_were_declared_but_not_in_fewer() -> None:
    observed = cluster()
    more = replace(observed.topics["t.inventory.commands"], partitions=20)
    assert not differences(replace(observed, topics={**observed.topics, "t.inventory.commands": more}))
    [refusal, *_] = differences(cluster(), partitions=12).refusals()
    assert "lastunit topology repartition --partitions 12" in refusal


IN_USE = {topic.name: 4 for topic in CO_PARTITIONED}


def grown(observed: ObservedCluster, *topics: Topic, to: int) -> ObservedCluster:
    larger = {
        topic.in_namespace("t."): replace(observed.topics[topic.in_namespace("t.")], partitions=to) for topic in topics
    }
    return replace(observed, topics={**observed.topics, **larger})


@pytest.mark.parametrize("topics", [(ORDER_EVENTS,), CO_PARTITIONED], ids=["one", "all"])
def test_order_topics_that_grew_by_hand_are_named_and_work_on_by_the_recorded_number(topics: tuple[Topic, ...]) -> None:
    diff = compare(grown(cluster(), *topics, to=6), namespace="t.", partitions=4, in_use=IN_USE)
    assert not diff
    assert diff.refusals() == []
    assert [count.topic for count in diff.surplus] == [topic.in_namespace("t.") for topic in topics]
    assert "has 6 partitions, of which 4 are in use" in diff.notes()[0]


def test_without_a_record_more_partitions_than_declared_are_a_difference() -> None:
    diff = compare(grown(cluster(), ORDER_EVENTS, to=6), namespace="t.", partitions=4)
    assert diff.partitions == (CountDifference("t.order.events", 4, 6),)


def test_the_recorded_number_counts_for_more_than_the_declared_one() -> None:
    assert not compare(cluster(), namespace="t.", partitions=12, in_use={topic.name: 4 for topic in TOPICS})


def test_too_few_replicas_are_shown_and_too_many_are_welcome() -> None:
    assert differences(cluster(brokers=3, replicas=1)).replicas[0] == CountDifference("t.inventory.commands", 3, 1)
    assert differences(cluster(brokers=3, replicas=1)).refusals() == []
    assert not differences(cluster(brokers=2, replicas=3))


def test_a_longer_retention_needs_no_permission() -> None:
    diff = differences(changed(cluster(), "t.dead.letters", {"retention.ms": "3600000"}))
    assert diff.configs == (ConfigDifference("t.dead.letters", "retention.ms", "-1", "3600000"),)
    assert diff.lines() == ["t.dead.letters has retention.ms=3600000, wanted -1"]
    assert diff.refusals() == []


def test_a_change_that_may_lose_data_must_be_allowed_by_name() -> None:
    diff = differences(changed(cluster(), "t.dead.letters", {"cleanup.policy": "compact"}))
    (refusal,) = diff.refusals(allowed=["t.order.events:cleanup.policy"])
    assert "t.dead.letters:cleanup.policy" in refusal
    assert diff.refusals(allowed=["t.dead.letters:cleanup.policy"]) == []


@pytest.mark.parametrize(
    ("config", "actual", "wanted", "loses"),
    [
        ("retention.ms", "-1", "3600000", True),
        ("retention.ms", "7200000", "3600000", True),
        ("retention.ms", "3600000", "-1", False),
        ("retention.ms", "3600000", "7200000", False),
        ("retention.bytes", "-1", "1", True),
        ("min.insync.replicas", "2", "1", True),
        ("min.insync.replicas", "1", "2", False),
        ("cleanup.policy", "delete", "compact", True),
        ("message.timestamp.type", "CreateTime", "LogAppendTime", False),
        ("max.message.bytes", "2097152", "1048576", False),
        ("unclean.leader.election.enable", "true", "false", False),
    ],
)
def test_it_is_known_which_changes_lose_data(config: str, actual: str, wanted: str, *, loses: bool) -> None:
    assert ConfigDifference("t", config, wanted, actual).may_lose_data is loses


def test_a_config_that_the_cluster_does_not_know_is_a_difference() -> None:
    configs = {name: None for name in DEAD_LETTERS.kafka_configs() if name == "max.message.bytes"}
    diff = differences(changed(cluster(), "t.dead.letters", configs))
    assert diff.configs == (
        ConfigDifference("t.dead.letters", "max.message.bytes", str(DEAD_LETTERS.max_message_bytes), None),
    )


def test_the_number_of_the_orders_topics_holds_for_topics_without_a_record_too() -> None:
    observed = cluster(partitions=4)
    without = {name: topic for name, topic in observed.topics.items() if name != "t.operator.actions"}
    diff = compare(replace(observed, topics=without), namespace="t.", partitions=12, in_use=IN_USE)
    assert [(new.topic, new.partitions) for new in diff.missing] == [("t.operator.actions", 4)]
    assert diff.partitions == ()
