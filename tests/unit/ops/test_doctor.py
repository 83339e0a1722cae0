"""What the doctor makes of what it sees: each ailment beside the state that is none."""

from __future__ import annotations

import pytest

from infra.ops.doctor import findings
from infra.ops.letters.reading import Letter, LetterState
from schemas.messages import DeadLetter
from topology.differences import ConfigDifference, MissingTopic, TopologyDiff
from topology.foreign_partitioners import crc32
from topology.partitioner import partition_of
from topology.topics import CATALOGUE_COMMANDS, CO_PARTITIONED

GIB = 1024**3


def test_topics_that_differ_are_errors_and_a_change_that_may_lose_records_must_be_allowed_by_name() -> None:
    diff = TopologyDiff(
        "c",
        missing=(MissingTopic("stock.levels", 3, 1, {}),),
        configs=(
            ConfigDifference("order.events", "message.timestamp.type", "LogAppendTime", "CreateTime"),
            ConfigDifference("order.events", "cleanup.policy", "delete", "compact"),
        ),
    )
    missing, timestamps, policy = findings.of_topics(diff)
    assert missing.to_do == "lastunit topology apply"
    assert "clocks of producers" in timestamps.what
    assert policy.to_do == "lastunit topology apply --allow order.events:cleanup.policy"
    assert list(findings.of_topics(TopologyDiff("c"))) == []


def test_a_log_that_lost_its_beginning_is_named() -> None:
    [finding] = findings.of_retention({"order.events": [0, 17, 3], "order.commands": [0, 0, 0]})
    assert "order.events/1 begins at 17, order.events/2 begins at 3" in finding.what
    assert "--topic order.events " in finding.to_do


@pytest.mark.parametrize(
    ("database_ms", "log_ms", "severities"),
    [
        (0, None, []),
        (-900, 900, []),
        (-2_000, None, ["warning"]),
        (2_000, 40_000, ["warning", "error"]),
        (0, -3_600_000, []),  # a log at rest
    ],
)
def test_clocks_that_differ(database_ms: float, log_ms: float | None, severities: list[str]) -> None:
    assert [finding.severity for finding in findings.of_clocks(database_ms, log_ms)] == severities


def test_a_database_that_does_not_wait_for_its_disk_is_an_error() -> None:
    [finding] = findings.of_postgres({"fsync": "off", "synchronous_commit": "on", "full_page_writes": "on"})
    assert (finding.severity, "ALTER SYSTEM SET fsync = on" in finding.to_do) == ("error", True)
    assert list(findings.of_postgres({"fsync": "on", "synchronous_commit": "remote_apply"})) == []


def test_a_wrong_partitioner_is_seen_by_its_letters() -> None:
    def letter(reason: str) -> Letter:
        source = DeadLetter("inventory", "inventory.commands", 1, 2, b"MUG", None, {}, reason, "", 3)
        return Letter("0/1", 4, source, LetterState.OPEN)

    [finding] = findings.of_letters([letter("wrong_partition"), letter("unknown_schema_id")])
    assert finding.what.startswith("1 records of inventory.commands")
    assert list(findings.of_letters([letter("unknown_schema_id")])) == []


def test_a_wrong_partitioner_whose_records_are_forwarded_is_named_with_what_to_set() -> None:
    keys = [f"SKU-{number}".encode() for number in range(9)]
    misplaced = {(key, crc32(key) % 3) for key in keys if crc32(key) % 3 != partition_of(key, 3)}
    [finding] = findings.of_misrouted("inventory.commands", misplaced, 3)
    assert (finding.severity, "partitioner=murmur2_random" in finding.to_do) == ("warning", True)
    assert list(findings.of_misrouted("inventory.commands", set(), 3)) == []


def test_strangers_disks_redis_and_partitions() -> None:
    assert [finding.severity for finding in findings.of_strangers({"orders": ["member x"], "inventory": []})] == [
        "error"
    ]
    assert [finding.severity for finding in findings.of_disk("/data", 100 * GIB, 5 * GIB)] == ["warning"]
    assert [finding.severity for finding in findings.of_disk("/data", 100 * GIB, GIB)] == ["error"]
    assert list(findings.of_disk("/data", 100 * GIB, 50 * GIB)) == []
    assert [finding.severity for finding in findings.of_redis("Redis is full")] == ["error"]
    assert list(findings.of_redis("")) == []
    names = [topic.name for topic in (*CO_PARTITIONED, CATALOGUE_COMMANDS)]
    assert list(findings.of_partitions(dict.fromkeys(names, 3), {})) == []
    [fewer] = findings.of_partitions({**dict.fromkeys(names, 3), names[0]: 2}, {})
    assert names[0] in fewer.what
