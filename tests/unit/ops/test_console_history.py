"""The hour that the console keeps: largest lag of each step, gaps where nothing was measured, an end where a group vanished."""

from __future__ import annotations

import msgspec

from consumers.lag.model import Flag, GroupLag, LagReport, PartitionLag, State
from infra.edge.console.history import MOST_SKUS, POINTS, STEP_MS, Chart, History, Hour, Line
from infra.edge.console.plotting import svg_of
from infra.ops.stock import Level

NOW_MS = 1_800_000_000_000


def report(at_ms: int, *time_lags_ms: int | None, group: str = "inventory", is_ours: bool = True) -> LagReport:
    parts = [
        PartitionLag(topic="t", partition=at, state=State.MEASURED, as_of_ms=at_ms, time_lag_ms=lag_ms)
        for at, lag_ms in enumerate(time_lags_ms)
    ]
    known = [lag_ms for lag_ms in time_lags_ms if lag_ms is not None]
    group_lag = GroupLag(
        group=group,
        ours=is_ours,
        state="Stable",
        members=1,
        lag=0,
        time_lag_ms=max(known, default=None),
        verdict=None,
        unknown=0,
        partitions=parts,
    )
    return LagReport(at_ms=at_ms, up=True, groups=[group_lag])


def level(sku: str, available: int) -> Level:
    return Level(sku, available, 0, 0, 0, available, 0, is_suspended=False, is_retired=False)


def test_a_step_has_its_largest_value_and_what_was_not_measured_is_a_gap() -> None:
    hour = Hour()
    for at_ms, value in ((NOW_MS, 2.0), (NOW_MS + 1, 5.0), (NOW_MS + 2, 1.0), (NOW_MS + 2 * STEP_MS, 3.0)):
        hour.put(at_ms, value, largest=True)
    assert hour.values(NOW_MS + 3 * STEP_MS)[-4:] == [5.0, None, 3.0, None]


def test_what_is_older_than_an_hour_is_gone_even_where_nothing_came_since() -> None:
    hour = Hour()
    hour.put(NOW_MS, 2.0)
    assert hour.values(NOW_MS + (POINTS - 1) * STEP_MS)[0] == 2.0
    assert set(hour.values(NOW_MS + POINTS * STEP_MS)) == {None}
    hour.put(NOW_MS + 3 * POINTS * STEP_MS, 1.0)
    assert [value for value in hour.values(NOW_MS + 3 * POINTS * STEP_MS) if value is not None] == [1.0]


def test_our_groups_have_a_line_for_each_partition_and_foreign_ones_one() -> None:
    history = History()
    history.take_lag(report(NOW_MS, 4_000, 1_000))
    assert [(line.name, line.values[-1]) for line in history.lag_of("inventory", NOW_MS).lines] == [
        ("t/0", 4.0),
        ("t/1", 1.0),
    ]
    history.take_lag(report(NOW_MS, 4_000, 1_000, group="theirs", is_ours=False))
    assert [(line.name, line.values[-1]) for line in history.lag_of("theirs", NOW_MS).lines] == [("theirs", 4.0)]


def test_a_vanished_group_has_no_line_and_an_unknown_partition_no_new_point() -> None:
    history = History()
    history.take_lag(report(NOW_MS, 4_000))
    history.take_lag(report(NOW_MS, 4_000, group="other"))
    assert history.lag_of("inventory", NOW_MS).lines == []
    later = report(NOW_MS + STEP_MS, 9_000, group="other")
    [stale] = later.groups
    part = msgspec.structs.replace(stale.partitions[0], as_of_ms=NOW_MS)
    left = msgspec.structs.replace(stale.partitions[0], partition=1, flags=(Flag.ABANDONED,))
    group = msgspec.structs.replace(stale, partitions=[part, left])
    history.take_lag(msgspec.structs.replace(later, groups=[group]))
    assert [line.values[-2:] for line in history.lag_of("other", NOW_MS + STEP_MS).lines] == [[4.0, None]]


def test_levels_are_the_last_of_each_step_and_of_no_more_skus_than_are_kept() -> None:
    history = History()
    history.take_levels(NOW_MS, [level("MUG", 9)])
    history.take_levels(NOW_MS + 1, [level("MUG", 7)])
    assert history.levels_of("MUG", NOW_MS).lines[0].values[-1] == 7.0
    history.take_levels(NOW_MS, [level(f"S{n}", 1) for n in range(MOST_SKUS)])
    assert history.levels_of("MUG", NOW_MS).lines == []


def test_a_chart_without_a_script_is_a_path_that_breaks_where_nothing_was_measured() -> None:
    chart = Chart("s", [0.0, 1.0, 2.0, 3.0, 4.0], [Line("a", [0.0, 2.0, None, 1.0, 1.0]), Line("b", [None] * 5)])
    assert svg_of(chart) == ["M0.0 48.0L60.0 2.0M180.0 25.0L240.0 25.0"]
