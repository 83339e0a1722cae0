"""What users of other lag exporters have reported, one test for each report."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from consumers.lag.book import LagBook
from consumers.lag.kafka import _group_snapshot
from consumers.lag.model import (
    Flag,
    GroupLag,
    GroupSnapshot,
    LagReport,
    LagSnapshot,
    LogRange,
    PartitionLag,
    State,
    Verdict,
    Waiting,
)
from infra.ops.exposition import Observed, SystemCollector

NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
T0 = ("t", 0)


def look(seconds: float = 0, *, end: int = 100, position: int | None = 100, **changes: Any) -> LagSnapshot:
    """A look at one partition of the group "g" of strangers, `seconds` after the first."""
    start = changes.pop("start", 0)
    waiting_ms = changes.pop("waiting_ms", None)
    owned = changes.pop("owned", True)
    at_ms = NOW_MS + round(seconds * 1000)
    usual = LagSnapshot(
        at_ms=at_ms,
        listed=frozenset({"g"}),
        groups={
            "g": GroupSnapshot(
                state="Stable" if owned else "Empty",
                members=int(owned),
                owners={T0: "c at here"} if owned else {},
                committed={} if position is None else {T0: position},
            )
        },
        topic_ids={"t": "id"},
        logs={T0: LogRange(start, end)},
        waiting={} if waiting_ms is None else {(*T0, max(position or 0, start)): Waiting(waiting_ms)},
    )
    return msgspec.structs.replace(usual, **changes)


def group(looks: list[LagSnapshot]) -> GroupLag:
    book = LagBook({})
    for each in looks:
        report = book.report(each)
    [group_lag] = report.groups
    return group_lag


def partition(*looks: LagSnapshot) -> PartitionLag:
    [partition_lag] = group(list(looks)).partitions
    return partition_lag


def test_kafka_lag_exporter_111_a_quiet_topic_that_was_read_has_no_lag_instead_of_nan() -> None:
    partition_lag = partition(*(look(seconds) for seconds in range(0, 300, 3)))
    assert (partition_lag.lag, partition_lag.time_lag_ms, partition_lag.verdict) == (0, 0, Verdict.OK)


def test_kafka_lag_exporter_404_one_partition_that_cannot_be_read_leaves_the_others_their_figures() -> None:
    good = look(position=90, waiting_ms=NOW_MS - 500)
    stable = msgspec.structs.replace(good.groups["g"], committed={T0: 90, ("t", 1): 5})
    group_lag = group([msgspec.structs.replace(good, groups={"g": stable})])
    assert [(part.state, part.lag) for part in group_lag.partitions] == [(State.MEASURED, 10), (State.UNKNOWN, None)]
    assert (group_lag.lag, group_lag.time_lag_ms, group_lag.unknown) == (10, 500, 1)


def test_kafka_lag_exporter_125_partitions_without_a_commit_leave_a_groups_sums_finite() -> None:
    some = GroupSnapshot(state="Stable", members=1, committed={T0: 90}, owners={T0: "c at here", ("t", 1): "c at here"})
    logs = {T0: LogRange(0, 100), ("t", 1): LogRange(0, 0)}
    report = LagBook({}).report(look(groups={"g": some}, logs=logs, waiting={(*T0, 90): Waiting(NOW_MS - 500)}))
    families = {family.name: family.samples for family in SystemCollector(lambda: Observed(lag=report)).collect()}
    sums = [
        [sample.value for sample in families[f"kafka_consumergroup_group_{name}"]]
        for name in ("sum_lag", "max_lag", "max_lag_seconds")
    ]
    assert sums == [[10], [10], [0.5]]
    assert [part.state for part in report.groups[0].partitions] == [State.MEASURED, State.NO_COMMIT]


@pytest.mark.parametrize("end", [0, 3_083])
def test_kafka_lag_exporter_45_and_37_and_kafka_exporter_28_no_commit_is_no_lag_at_all(end: int) -> None:
    partition_lag = partition(look(end=end, position=None))
    assert (
        partition_lag.state,
        partition_lag.committed,
        partition_lag.lag,
        partition_lag.time_lag_ms,
        partition_lag.verdict,
    ) == (
        State.NO_COMMIT,
        None,
        None,
        None,
        None,
    )


def test_keda_5906_an_offset_of_minus_one_counts_as_no_commit_and_scales_nothing() -> None:
    class Partition:
        topic, partition, offset = "t", 0, -1

    class Positions:
        topic_partitions = (Partition,)

    assert _group_snapshot(None, Positions).committed == {}
    assert group([look(end=1_000_000, position=None)]).lag is None


def test_kafka_lag_exporter_121_time_lag_falls_while_a_group_catches_up_with_a_burst() -> None:
    """The burst was written within a second; who is half through it is at most a second further."""
    burst_ms = NOW_MS - 60_000
    ages = [
        partition(look(seconds, position=position, waiting_ms=burst_ms + 10 * position)).time_lag_ms or 0
        for seconds, position in ((0, 0), (0.3, 50), (0.6, 99))
    ]
    assert ages == [60_000, 59_800, 59_610]
    assert partition(look(1, position=100)).time_lag_ms == 0


def test_kafka_lag_exporter_496_reading_all_again_shows_the_age_of_the_records_and_not_years() -> None:
    partition_lag = partition(look(0, position=100), look(3, position=0, waiting_ms=NOW_MS - 45 * 60_000))
    assert partition_lag.time_lag_ms == 45 * 60_000 + 3_000
    assert (partition_lag.verdict, partition_lag.why) == (Verdict.REWIND, "went back from 100 to 0")


@pytest.mark.parametrize("timestamp", [-1, 0])
def test_a_record_without_a_timestamp_has_an_unknown_age_and_not_one_since_1970(timestamp: int) -> None:
    partition_lag = partition(look(position=0, waiting_ms=timestamp))
    assert (partition_lag.lag, partition_lag.time_lag_ms) == (100, None)


@pytest.mark.parametrize("position", [101, 5_000])
def test_kafka_exporter_437_and_169_a_position_past_the_end_is_flagged_and_never_negative(position: int) -> None:
    partition_lag = partition(look(position=position))
    assert (partition_lag.lag, partition_lag.time_lag_ms, partition_lag.flags) == (0, 0, (Flag.BEYOND_END,))
    assert (partition_lag.verdict, partition_lag.why.startswith("its position is past the log's end")) == (
        Verdict.WARN,
        True,
    )


def test_kafka_exporter_226_a_group_whose_members_have_left_keeps_its_lag_and_is_stopped() -> None:
    looks = [look(s, position=100 if s < 3 else 40, end=100 + s, owned=False) for s in range(3, 30, 3)]
    group_lag = group(looks)
    assert (group_lag.state, group_lag.members, group_lag.lag) == ("Empty", 0, 87)
    assert (group_lag.verdict, group_lag.partitions[0].why) == (
        Verdict.STOP,
        "nobody has it; records wait at 40 for 24 s",
    )


def test_klag_30_time_lag_goes_on_growing_after_half_an_hour() -> None:
    assert partition(look(position=10, waiting_ms=NOW_MS - 3 * HOUR_MS)).time_lag_ms == 3 * HOUR_MS


def test_klag_92_a_topic_that_a_group_no_longer_reads_is_flagged_and_left_out_of_its_sum() -> None:
    moved_on = GroupSnapshot(
        state="Stable", members=1, owners={("new", 0): "c at here"}, committed={T0: 10, ("new", 0): 7}
    )
    both = look(
        groups={"g": moved_on},
        topic_ids={"t": "id", "new": "id2"},
        logs={T0: LogRange(0, 1_000_000), ("new", 0): LogRange(0, 8)},
    )
    group_lag = group([both])
    assert [(part.topic, part.flags, part.verdict) for part in group_lag.partitions] == [
        ("new", (), Verdict.OK),
        ("t", (Flag.ABANDONED,), None),
    ]
    assert group_lag.lag == 1


def test_kminion_5_a_topic_that_a_group_has_left_and_a_group_that_is_gone_have_no_lag_series() -> None:
    def topics_of(report: LagReport) -> set[str]:
        families = {family.name: family for family in SystemCollector(lambda: Observed(lag=report)).collect()}
        return {sample.labels["topic"] for sample in families["kafka_consumergroup_group_lag"].samples}

    moved_on = GroupSnapshot(
        state="Stable", members=1, owners={("new", 0): "c at here"}, committed={T0: 10, ("new", 0): 7}
    )
    logs = {T0: LogRange(0, 1_000), ("new", 0): LogRange(0, 8)}
    both = look(groups={"g": moved_on}, topic_ids={"t": "id", "new": "id2"}, logs=logs)
    book = LagBook({})
    assert topics_of(book.report(look(position=10))) == {"t"}
    assert topics_of(book.report(both)) == {"new"}
    assert topics_of(book.report(look(6, listed=frozenset(), groups={}))) == set()


def test_redpanda_30624_a_position_before_the_logs_start_counts_from_the_start() -> None:
    partition_lag = partition(look(position=5, start=95, waiting_ms=NOW_MS - 1_000))
    assert (partition_lag.lag, partition_lag.time_lag_ms, partition_lag.flags) == (5, 1_000, (Flag.RECORDS_LOST,))
    emptied = partition(look(position=5, start=100))
    assert (emptied.lag, emptied.time_lag_ms, emptied.verdict) == (0, 0, Verdict.WARN)


def test_kafbat_1055_lag_that_only_markers_of_transactions_make_up_is_no_stall() -> None:
    looks = [look(seconds, position=99, waiting={(*T0, 99): Waiting(None)}) for seconds in range(0, 60, 3)]
    partition_lag = partition(*looks)
    assert (partition_lag.lag, partition_lag.time_lag_ms, partition_lag.flags, partition_lag.verdict) == (
        1,
        0,
        (Flag.NOTHING_TO_READ,),
        Verdict.OK,
    )


def test_what_waits_behind_an_open_transaction_is_no_stall_either() -> None:
    looks = [look(s, position=90, waiting_ms=NOW_MS, logs={T0: LogRange(0, 100, 90)}) for s in range(0, 60, 3)]
    partition_lag = partition(*looks)
    assert (partition_lag.lag, partition_lag.flags, partition_lag.verdict) == (10, (Flag.OPEN_TRANSACTION,), Verdict.OK)


def test_kafka_lag_exporter_197_and_burrow_256_a_topic_made_anew_begins_with_an_empty_window() -> None:
    old = [look(seconds, position=1_000, end=1_000) for seconds in range(0, 9, 3)]
    new = partition(*old, look(9, position=20, end=20, topic_ids={"t": "another"}))
    assert (new.lag, new.verdict, new.in_per_second) == (0, Verdict.OK, None)
    same_topic = partition(*old, look(9, position=20, end=20))
    assert same_topic.verdict is Verdict.REWIND


def test_a_deleted_topic_ends() -> None:
    assert group([look(), look(3, topic_ids={}, logs={})]).partitions == []


def test_a_group_that_vanished_ends() -> None:
    book = LagBook({})
    book.report(look())
    assert book.report(look(3, listed=frozenset(), groups={})).groups == []
