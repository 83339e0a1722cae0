from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.base.weekly.weeks import WEEK_MS, Week, weeks_between
from schemas.ids import MAX_ID_MS, new_order_id

MOMENTS = st.integers(0, 253_370_000_000_000)


def ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]  # year, month, day, ...


@pytest.mark.parametrize(
    ("moment", "name"),
    [
        ((2026, 11, 23), "2026_w48"),
        ((2026, 11, 22, 23, 59, 59), "2026_w47"),
        ((2027, 1, 3, 23), "2026_w53"),
        ((2027, 1, 4), "2027_w01"),
        ((1970, 1, 1), "1970_w01"),
    ],
)
def test_a_week_is_named_as_by_iso_8601(moment: tuple[int, ...], name: str) -> None:
    assert Week.of(ms(*moment)).name == name


@given(MOMENTS)
def test_a_moment_is_in_its_week_and_the_name_identifies_it(moment: int) -> None:
    week = Week.of(moment)
    assert week.from_ms <= moment < week.until_ms
    assert Week.named(week.name) == week
    assert week.until_ms == Week(week.number + 1).from_ms


@given(MOMENTS)
def test_ids_of_a_week_lie_within_its_bounds(moment: int) -> None:
    low, high = Week.of(moment).bounds
    assert str(low) <= new_order_id(moment) < str(high)


def test_a_moment_beyond_all_calendars_has_a_week_all_the_same() -> None:
    assert Week.of(MAX_ID_MS).name == Week.of(253_370_764_800_000).name


@pytest.mark.parametrize("name", ["default", "named", "2026_w4", "2026w48", ""])
def test_what_is_no_week_has_none(name: str) -> None:
    assert Week.named(name) is None


@given(MOMENTS, st.integers(0, 60 * WEEK_MS))
def test_weeks_between_two_moments_follow_each_other(first: int, span: int) -> None:
    weeks = weeks_between(first, first + span)
    assert weeks[0] == Week.of(first)
    assert weeks[-1] == Week.of(first + span)
    assert [week.number for week in weeks] == list(range(weeks[0].number, weeks[-1].number + 1))
