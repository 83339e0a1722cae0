"""How the tables stand: each week with its rows and size, and when it may be dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from infra.base.connections import address_of, database
from infra.base.partitions import recorded_partitions
from infra.base.weekly import tables
from infra.base.weekly.ahead import weeks_ahead
from infra.base.weekly.tables import Live
from infra.base.weekly.weeks import DAY_MS, Week
from infra.ops.log import Log
from infra.ops.retention.horizon import QUERIES, floor_ms, log_ends, positions
from infra.ops.retention.plan import gone_at_ms, is_past

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.base.settings import Settings
    from infra.base.weekly.tables import Partition


class ShownWeek(msgspec.Struct, frozen=True, kw_only=True):
    """One week of all tables; it may be dropped when nothing undecided came in before `gone_at_ms`. `rows` is an estimate."""

    name: str
    from_ms: int
    until_ms: int
    gone_at_ms: int
    is_past: bool
    rows: int
    bytes: int
    live: Live
    tables: dict[str, int]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """All weeks, and the partitions that are of no week: the default ones, and the movements of named commands."""

    at_ms: int
    floor_ms: int
    weeks_ahead: int
    weeks: list[ShownWeek]
    others: list[Partition]


async def look(settings: Settings) -> Shown:
    """Return how the tables stand. Raises InfraError."""
    bootstrap = address_of("kafka_bootstrap", settings)
    retention_ms = settings.retention_days * DAY_MS
    async with database(settings) as connection, Log(bootstrap, settings.namespace) as kafka:
        now_ms = await connection.fetchval(QUERIES["now_ms"])
        kafka.in_use = await recorded_partitions(connection)
        ends = await log_ends(kafka)
        floor = floor_ms(await positions(connection), ends, now_ms)
        partitions = await tables.partitions(connection)
        weeks = tables.weeks_of(partitions)
        shown = [
            _shown(
                week,
                [partition for partition in partitions if partition.week == week],
                gone_at_ms(week, retention_ms),
                await tables.live_rows(connection, week) if is_past(week, floor, retention_ms) else None,
            )
            for week in sorted(weeks)
        ]
        others = [partition for partition in partitions if partition.week is None]
        return Shown(at_ms=now_ms, floor_ms=floor, weeks_ahead=weeks_ahead(now_ms, weeks), weeks=shown, others=others)


def _shown(week: Week, partitions: Sequence[Partition], gone_ms: int, live: Live | None) -> ShownWeek:
    return ShownWeek(
        name=week.name,
        from_ms=week.from_ms,
        until_ms=week.until_ms,
        gone_at_ms=gone_ms,
        is_past=live is not None,
        rows=sum(partition.rows for partition in partitions),
        bytes=sum(partition.bytes for partition in partitions),
        live=live or {},
        tables={partition.table: partition.rows for partition in partitions},
    )
