"""Which weeks must exist, and making those that do not: before a start, and by each run of retention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.base.weekly.tables import QUERIES, create, misplaced_weeks, partitions, weeks_of
from infra.base.weekly.weeks import WEEK_MS, Week, weeks_between
from schemas.limits import ORDER_ID_WINDOW_MS, SETTLING_MS

if TYPE_CHECKING:
    from collections.abc import Collection

    import asyncpg

AHEAD_MS: Final = 5 * WEEK_MS
"""How far ahead weeks are made."""
FEW_WEEKS: Final = 2
"""With fewer ahead than these, maintenance has not run for long, and a person should know."""
FURTHEST_BACK_MS: Final = 104 * WEEK_MS
"""Where a room lags by more, or by nobody knows how much, the default partition takes what no week is there for."""


def needed(now_ms: int, floor_ms: int) -> list[Week]:
    """Return every week in which an id can be accepted from now on, and some weeks more ahead."""
    oldest_ms = min(now_ms, floor_ms) if floor_ms > now_ms - FURTHEST_BACK_MS else now_ms
    return weeks_between(oldest_ms - ORDER_ID_WINDOW_MS - SETTLING_MS, now_ms + AHEAD_MS)


def weeks_ahead(now_ms: int, existing: Collection[Week]) -> int:
    """Return how many weeks without a gap exist after this one."""
    week, ahead = Week.of(now_ms), 0
    while Week(week.number + ahead + 1) in existing:
        ahead += 1
    return ahead


async def make_weeks(connection: asyncpg.Connection) -> list[str]:
    """Create what a system needs to start, drop nothing; return the names. Raises BusyError."""
    now_ms = await connection.fetchval(QUERIES["now_ms"])
    existing = weeks_of(await partitions(connection))
    misplaced = await misplaced_weeks(connection, now_ms + AHEAD_MS)
    missing = sorted({*needed(now_ms, now_ms), *misplaced} - existing)
    if missing:
        await create(connection, *missing)
    return [week.name for week in missing]
