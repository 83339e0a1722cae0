"""Which weeks to make and which to drop. Pure.

A week may go when nothing undecided can be accepted any more with an id in it. Ids are judged by append time, which never
steps back in a partition: so nothing is, once the lowest append time that an undecided record may have (`floor_ms`) lies
beyond the week's end by the window, by the time that orders may be behind inventory, and by what clocks may be wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from infra.base.weekly.ahead import AHEAD_MS, needed
from infra.base.weekly.tables import Live
from infra.base.weekly.weeks import DAY_MS, Week
from schemas.limits import ORDER_ID_WINDOW_MS, SETTLING_MS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

CLOCKS_MS: Final = DAY_MS
"""How wrong the clocks of brokers and of the database may be."""


class Kept(msgspec.Struct, frozen=True):
    """A week that is past, but not over."""

    week: Week
    live: Live


class Plan(msgspec.Struct, frozen=True):
    """What is to be done. `keep` are past weeks with live rows."""

    create: list[Week]
    drop: list[Week]
    keep: list[Kept]


def gone_at_ms(week: Week, retention_ms: int) -> int:
    """Return the floor from which on the week may be dropped."""
    return week.until_ms + max(retention_ms, ORDER_ID_WINDOW_MS) + SETTLING_MS + CLOCKS_MS


def is_past(week: Week, floor_ms: int, retention_ms: int) -> bool:
    """Return whether nothing new can come to this week, and its rows are kept for long enough."""
    return gone_at_ms(week, retention_ms) < floor_ms


def plan(
    now_ms: int,
    floor_ms: int,
    retention_ms: int,
    *,
    existing: Collection[Week],
    misplaced: Collection[Week],
    live: Mapping[Week, Live],
) -> Plan:
    """Return what to do now. `misplaced` are weeks of rows in the default partition, `live` is known of past weeks."""
    floor_ms = min(floor_ms, now_ms)
    soon = Week.of(now_ms + AHEAD_MS)
    wanted = {*needed(now_ms, floor_ms), *(week for week in misplaced if week <= soon)}
    past = past_weeks(existing, floor_ms, retention_ms)
    return Plan(
        create=sorted(wanted - set(existing)),
        drop=[week for week in past if not live.get(week)],
        keep=[Kept(week, live[week]) for week in past if live.get(week)],
    )


def past_weeks(existing: Iterable[Week], floor_ms: int, retention_ms: int) -> list[Week]:
    """Return the weeks that are past, in order."""
    return sorted(week for week in existing if is_past(week, floor_ms, retention_ms))
