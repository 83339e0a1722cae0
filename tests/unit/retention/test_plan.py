"""Which weeks are made and dropped, whatever the time, the lag, the retention and the tables found."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from infra.base.weekly.ahead import AHEAD_MS, FEW_WEEKS, FURTHEST_BACK_MS, needed, weeks_ahead
from infra.base.weekly.weeks import DAY_MS, WEEK_MS, Week, weeks_between
from infra.ops.retention.plan import CLOCKS_MS, Plan, is_past, past_weeks, plan
from schemas.ids import is_in_window, new_order_id
from schemas.limits import ORDER_ID_AHEAD_MS, ORDER_ID_WINDOW_MS, SETTLING_MS

NOW_MS = 1_795_392_000_000
NOWS = st.integers(NOW_MS, NOW_MS + 200 * WEEK_MS)
LAGS = st.one_of(st.just(0), st.integers(0, 60 * WEEK_MS))
RETENTIONS = st.integers(0, 3650).map(lambda days: days * DAY_MS)
WEEKS = st.integers(Week.of(NOW_MS).number - 300, Week.of(NOW_MS).number + 240).map(Week)


@st.composite
def situations(draw: Any) -> dict[str, Any]:
    now_ms = draw(NOWS)
    existing = draw(st.sets(WEEKS, max_size=40))
    if draw(st.booleans()):
        existing |= set(needed(draw(NOWS), draw(NOWS)))
    return {
        "now_ms": now_ms,
        "floor_ms": draw(st.one_of(st.just(0), st.just(now_ms - draw(LAGS)))),
        "retention_ms": draw(RETENTIONS),
        "existing": existing,
        "misplaced": draw(st.sets(WEEKS, max_size=10)),
        "live": {week: {"holds": 1} for week in draw(st.sets(WEEKS, max_size=10))},
    }


def done(situation: dict[str, Any]) -> tuple[Plan, set[Week]]:
    """Return what is planned, and the weeks there are when it is carried out."""
    planned = plan(**situation)
    return planned, (situation["existing"] | set(planned.create)) - set(planned.drop)


@given(situations(), st.integers(0, 400 * DAY_MS), st.integers(0, 100 * WEEK_MS))
def test_no_week_is_dropped_in_which_anything_can_still_be_accepted(
    situation: dict[str, Any], age_ms: int, later_ms: int
) -> None:
    """Whatever is decided from now on is judged at the floor or later; clocks may be wrong by a day."""
    planned, _ = done(situation)
    judged_ms = min(situation["floor_ms"], situation["now_ms"]) + later_ms - CLOCKS_MS
    made_ms = judged_ms - age_ms
    assume(judged_ms > 0 and made_ms >= 0)
    if is_in_window(new_order_id(made_ms), judged_ms, margin_ms=SETTLING_MS):
        assert Week.of(made_ms) not in planned.drop


@given(situations())
def test_no_week_with_live_rows_is_dropped_and_each_that_is_kept_for_them_is_named(situation: dict[str, Any]) -> None:
    planned, _ = done(situation)
    assert not set(planned.drop) & situation["live"].keys()
    floor_ms = min(situation["floor_ms"], situation["now_ms"])
    past = past_weeks(situation["existing"], floor_ms, situation["retention_ms"])
    assert sorted([*planned.drop, *(kept.week for kept in planned.keep)]) == past


@given(situations())
def test_what_is_retained_longer_than_the_window_stays_for_as_long(situation: dict[str, Any]) -> None:
    planned, _ = done(situation)
    for week in planned.drop:
        assert week.until_ms + situation["retention_ms"] < situation["floor_ms"]


@given(situations(), st.integers(0, ORDER_ID_WINDOW_MS + SETTLING_MS), st.booleans())
def test_every_id_that_can_be_accepted_now_has_its_week(situation: dict[str, Any], age_ms: int, lags: bool) -> None:
    _, weeks = done(situation)
    now_ms, floor_ms = situation["now_ms"], situation["floor_ms"]
    at_ms = floor_ms if lags and now_ms - FURTHEST_BACK_MS < floor_ms < now_ms else now_ms
    assert Week.of(at_ms - age_ms) in weeks
    assert Week.of(now_ms + ORDER_ID_AHEAD_MS + SETTLING_MS) in weeks


@given(situations())
def test_there_are_always_weeks_ahead_and_they_are_counted(situation: dict[str, Any]) -> None:
    _, weeks = done(situation)
    assert weeks_ahead(situation["now_ms"], weeks) >= AHEAD_MS // WEEK_MS > FEW_WEEKS


@given(situations())
def test_once_done_there_is_nothing_left_to_do(situation: dict[str, Any]) -> None:
    _, weeks = done(situation)
    # Of rows that were misplaced in weeks long past, those weeks are made first, and dropped by the next run.
    _, weeks = done({**situation, "existing": weeks, "misplaced": set()})
    again, after = done({**situation, "existing": weeks, "misplaced": set()})
    assert (again.create, again.drop, after) == ([], [], weeks)


@given(situations())
def test_nothing_is_made_that_is_there_or_dropped_that_is_not(situation: dict[str, Any]) -> None:
    planned, _ = done(situation)
    assert not set(planned.create) & situation["existing"]
    assert set(planned.drop) <= situation["existing"]


def test_a_week_goes_at_the_first_moment_at_which_nothing_can_come_to_it_any_more() -> None:
    week = Week.of(NOW_MS)
    last_ms = week.until_ms + ORDER_ID_WINDOW_MS + SETTLING_MS + CLOCKS_MS
    assert not is_past(week, last_ms, 0)
    assert is_past(week, last_ms + 1, 0)


def test_a_lag_of_which_nothing_is_known_keeps_everything_and_makes_no_weeks_of_the_distant_past() -> None:
    existing = set(weeks_between(NOW_MS - 100 * WEEK_MS, NOW_MS))
    planned = plan(NOW_MS, 0, 0, existing=existing, misplaced=(), live={})
    assert not planned.drop
    assert min(needed(NOW_MS, 0)) == Week.of(NOW_MS - ORDER_ID_WINDOW_MS - SETTLING_MS)
