from __future__ import annotations

import msgspec
import pytest

from consumers.lag.book import LagBook
from consumers.lag.model import (
    Claimed,
    Flag,
    GroupLag,
    GroupSnapshot,
    LagReport,
    LagSnapshot,
    LogRange,
    OwnGroup,
    State,
    Verdict,
    Waiting,
)
from tests.unit.lag.test_public_complaints import NOW_MS, T0, look, partition

OURS = {"inventory": OwnGroup(frozenset({"t"}))}


def own_look(seconds: float = 0, **changes: object) -> LagSnapshot:
    """A look at a room of ours that has decided up to 90 of 100, ten seconds ago."""
    usual = LagSnapshot(
        at_ms=NOW_MS + round(seconds * 1000),
        listed=frozenset({"inventory"}),
        groups={"inventory": GroupSnapshot(state="Stable", members=1, owners={T0: "c at here"}, committed={T0: 80})},
        topic_ids={"t": "id"},
        logs={T0: LogRange(0, 100)},
        claimed={("inventory", *T0): Claimed(90, NOW_MS - 10_000)},
        waiting={(*T0, 90): Waiting(NOW_MS - 10_000)},
    )
    return msgspec.structs.replace(usual, **changes)


def report(*looks: LagSnapshot) -> LagReport:
    book = LagBook(OURS)
    for each in looks:
        lag_report = book.report(each)
    return lag_report


def only_group(*looks: LagSnapshot) -> GroupLag:
    [group_lag] = report(*looks).groups
    return group_lag


def test_a_position_that_stands_while_records_wait_has_stalled_after_ten_seconds() -> None:
    def looks(until: int) -> list[LagSnapshot]:
        return [look(seconds, position=90, end=100 + seconds) for seconds in range(0, until + 1, 2)]

    assert partition(*looks(8)).verdict is Verdict.OK
    assert partition(*looks(10)).verdict is Verdict.STALL


def test_a_position_that_stands_because_nothing_came_has_not_stalled_when_something_comes() -> None:
    quiet = [look(seconds) for seconds in range(0, 60, 3)]
    assert partition(*quiet, look(60, end=101)).verdict is Verdict.OK


def test_a_frozen_owner_that_its_group_has_dropped_is_a_stall_until_nobody_had_it_for_half_a_minute() -> None:
    looks = [look(s, position=90, owned=s <= 6) for s in range(0, 37, 3)]
    assert partition(*looks).verdict is Verdict.STALL
    assert partition(*looks, look(39, position=90, owned=False)).verdict is Verdict.STOP


def test_lag_that_only_grows_is_a_warning() -> None:
    growing = [look(seconds, position=seconds, end=100 + 2 * seconds) for seconds in range(0, 46, 3)]
    assert partition(*growing).verdict is Verdict.WARN
    steady = [look(seconds, position=seconds, end=100 + seconds) for seconds in range(0, 46, 3)]
    assert partition(*steady).verdict is Verdict.OK


def test_a_rewind_is_seen_for_as_long_as_the_window_is() -> None:
    looks = [look(0, position=90), look(3, position=50), *(look(s, position=100) for s in range(6, 60, 3))]
    assert partition(*looks).verdict is Verdict.REWIND
    assert partition(*looks, look(64)).verdict is Verdict.OK


def test_rates_tell_when_a_group_has_caught_up() -> None:
    partition_lag = partition(look(0, position=0, end=100), look(10, position=60, end=110))
    assert (partition_lag.in_per_second, partition_lag.out_per_second, partition_lag.catch_up_seconds) == (
        1.0,
        6.0,
        10.0,
    )
    assert partition(look(0, position=0, end=100), look(10, position=5, end=200)).catch_up_seconds is None


def test_postgresql_is_the_truth_about_our_rooms_and_kafkas_offset_stands_beside_it() -> None:
    [partition_lag] = only_group(own_look()).partitions
    assert (partition_lag.committed, partition_lag.decided, partition_lag.lag) == (80, 90, 10)


def test_one_look_detects_a_stall_of_our_rooms_because_their_last_move_is_stored() -> None:
    assert only_group(own_look()).verdict is Verdict.STALL
    moved = {("inventory", *T0): Claimed(90, NOW_MS - 9_000)}
    assert only_group(own_look(claimed=moved)).verdict is Verdict.OK
    assert only_group(own_look(waiting={(*T0, 90): Waiting(NOW_MS - 9_000)})).verdict is Verdict.OK


def test_a_paused_partition_is_paused_and_no_stall_with_who_and_why() -> None:
    paused = {("inventory", *T0): Claimed(90, NOW_MS - 10_000, "by ann: stock count")}
    [partition_lag] = only_group(own_look(claimed=paused)).partitions
    assert (partition_lag.verdict, partition_lag.why, partition_lag.lag) == (Verdict.PAUSED, "by ann: stock count", 10)


def test_a_partition_that_resumes_has_ten_seconds_before_its_standing_still_is_a_stall() -> None:
    paused = {("inventory", *T0): Claimed(90, NOW_MS - 10_000, "by ann: stock count")}
    assert only_group(own_look(claimed=paused), own_look(9)).verdict is Verdict.OK
    assert only_group(own_look(claimed=paused), own_look(10)).verdict is Verdict.STALL


def test_one_look_detects_a_stop_of_our_rooms_where_nobody_has_moved_it_of_late() -> None:
    nobody = {"inventory": GroupSnapshot(state="Empty")}
    assert only_group(own_look(groups=nobody)).verdict is Verdict.STALL
    moved = {("inventory", *T0): Claimed(90, NOW_MS - 31_000)}
    assert only_group(own_look(groups=nobody, claimed=moved)).verdict is Verdict.STOP


def test_what_no_process_has_ever_claimed_lags_from_the_logs_start() -> None:
    nobody = GroupSnapshot(state="Empty")
    group_lag = only_group(
        own_look(claimed={}, groups={"inventory": nobody}, waiting={(*T0, 0): Waiting(NOW_MS - 20_000)})
    )
    [part] = group_lag.partitions
    assert (part.decided, part.lag, part.flags, part.verdict) == (None, 100, (Flag.UNCLAIMED,), Verdict.STOP)


def test_a_room_that_kafka_has_never_seen_is_listed_all_the_same() -> None:
    group_lag = only_group(own_look(listed=frozenset(), groups={}))
    assert (group_lag.group, group_lag.state, group_lag.lag) == ("inventory", "Absent", 10)


@pytest.mark.parametrize(
    "failed", [{"listed": None, "groups": {}, "topic_ids": {}, "logs": {}}, {"claimed": None}, {"logs": {}}]
)
def test_what_cannot_be_read_keeps_its_figures_and_their_age_and_loses_its_verdict(failed: dict[str, object]) -> None:
    [partition_lag] = only_group(own_look(), own_look(30, **failed)).partitions
    assert (partition_lag.state, partition_lag.lag, partition_lag.as_of_ms, partition_lag.verdict) == (
        State.UNKNOWN,
        10,
        NOW_MS,
        None,
    )


def test_what_could_never_be_read_is_unknown_and_has_no_age() -> None:
    [partition_lag] = only_group(own_look(claimed=None)).partitions
    assert (partition_lag.state, partition_lag.lag, partition_lag.as_of_ms) == (State.UNKNOWN, None, None)


def test_a_group_that_one_look_leaves_out_stands_as_before() -> None:
    both = report(
        own_look(listed=frozenset({"inventory", "g"}), groups=own_look().groups | look().groups), own_look(3)
    ).groups
    assert [group.group for group in both] == ["inventory"]
    still_there = report(
        own_look(listed=frozenset({"inventory", "g"}), groups=own_look().groups | look().groups),
        own_look(3, listed=frozenset({"inventory", "g"})),
    )
    assert [group.group for group in still_there.groups] == ["g", "inventory"]


def test_a_record_from_the_future_is_flagged_and_waits_for_no_time() -> None:
    partition_lag = partition(look(position=90, waiting_ms=NOW_MS + 5_000))
    assert (partition_lag.time_lag_ms, partition_lag.flags) == (0, (Flag.CLOCKS_DIFFER,))


def test_the_report_has_the_worst_verdict_of_all() -> None:
    assert report(own_look()).verdict is Verdict.STALL
    assert report(own_look(listed=None, groups={}, topic_ids={}, logs={})).verdict is None
