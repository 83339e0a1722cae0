"""One run of maintenance, by hand or every hour; an advisory lock keeps two from running at the same time.

Decision: docs/decisions, 025.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec
import structlog
from aiokafka.errors import KafkaError

from infra.base.connections import address_of, database
from infra.base.errors import InfraError
from infra.base.partitions import recorded_partitions
from infra.base.weekly import tables
from infra.base.weekly.ahead import AHEAD_MS, weeks_ahead
from infra.base.weekly.tables import BusyError, Live
from infra.base.weekly.weeks import DAY_MS, Week
from infra.ops.log import Log
from infra.ops.retention.horizon import QUERIES, floor_ms, log_begins, log_ends, positions
from infra.ops.retention.plan import past_weeks, plan
from topology.topics import EARLIER_SOURCES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from infra.base.settings import Settings
    from infra.ops.retention.horizon import Offsets, Position

log = structlog.get_logger(__name__)

LOCK_KEY: Final = 0x6C61_7374_7765_656B  # "lastweek": one at a time in each database
FIRST_AFTER_SECONDS: Final = 60.0
ROWS_AT_ONCE: Final = 10_000
"""Finished rows are deleted in portions, so that nobody waits for long."""


class Done(msgspec.Struct, kw_only=True):
    """What a run did, or with `dry_run` would do. `floor_ms` is the lowest append time of what may still be decided.

    `keep` are weeks that are past but have live rows, `busy` those that somebody read for all the time that was given;
    both come up again. `deleted` counts finished rows of the tables without weeks.
    """

    at_ms: int
    floor_ms: int
    dry_run: bool
    created: list[str] = []
    dropped: list[str] = []
    kept: dict[str, Live] = {}
    busy: list[str] = []
    deleted: dict[str, int] = {}
    weeks_ahead: int = 0


async def maintain(settings: Settings, *, dry_run: bool = False, now_ms: int | None = None) -> Done | None:
    """Create and drop weeks, delete what is finished; return None where another process is at it.

    `now_ms` stands in for the database's clock. Raises InfraError.
    """
    bootstrap = address_of("kafka_bootstrap", settings)
    async with database(settings) as connection, Log(bootstrap, settings.namespace) as kafka:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
            return None
        now_ms = now_ms or await connection.fetchval(QUERIES["now_ms"])
        kafka.in_use = await recorded_partitions(connection)
        ends = await log_ends(kafka)
        claims = await positions(connection)
        done = Done(at_ms=now_ms, floor_ms=floor_ms(claims, ends, now_ms), dry_run=dry_run)
        await turn_weeks(connection, done, settings.retention_days * DAY_MS)
        if not dry_run:
            await _delete_finished(connection, done, claims, await log_begins(kafka), settings.retention_days * DAY_MS)
        return done


async def turn_weeks(connection: asyncpg.Connection, done: Done, retention_ms: int) -> None:
    """Create the weeks that are needed and drop those that are past, up to `done.floor_ms`; note in `done` what was done."""
    existing = tables.weeks_of(await tables.partitions(connection))
    misplaced = await tables.misplaced_weeks(connection, done.at_ms + AHEAD_MS)
    past = past_weeks(existing, done.floor_ms, retention_ms)
    live = {week: await tables.live_rows(connection, week) for week in past}
    todo = plan(done.at_ms, done.floor_ms, retention_ms, existing=existing, misplaced=misplaced, live=live)
    done.kept = {kept.week.name: kept.live for kept in todo.keep}
    for weeks, act, names in ((todo.create, tables.create, done.created), (todo.drop, tables.drop, done.dropped)):
        for week in weeks:
            try:
                if not done.dry_run:
                    await act(connection, week)
                names.append(week.name)
            except BusyError:
                done.busy.append(week.name)
    made = {week for week in todo.create if week.name in done.created}
    done.weeks_ahead = weeks_ahead(done.at_ms, existing | made)


async def _delete_finished(
    connection: asyncpg.Connection, done: Done, claims: Sequence[Position], begins: Offsets, retention_ms: int
) -> None:
    """Delete finished rows of the tables that have no weeks."""
    oldest, _ = Week.of(max(0, done.floor_ms - retention_ms)).bounds
    for table in ("imports", "imported_returns", "indexed_orders", "addresses"):
        done.deleted[table] = await _in_portions(connection, QUERIES[f"forget_{table}"], oldest)
    done.deleted["purchases"] = await _in_portions(connection, QUERIES["forget_purchases"])
    done.deleted["decided_ranges"] = 0
    for claim in claims:
        starts = [begins[topic.name][claim.partition] for topic in EARLIER_SOURCES.get(claim.room, ())]
        if any(starts):
            done.deleted["decided_ranges"] += await _in_portions(
                connection, QUERIES["forget_ranges"], claim.room, claim.partition, starts
            )


async def _in_portions(connection: asyncpg.Connection, query: str, *arguments: object) -> int:
    deleted = 0
    while True:
        status = await connection.execute(query, *arguments, ROWS_AT_ONCE)
        count = int(status.rpartition(" ")[2])
        deleted += count
        if count < ROWS_AT_ONCE:
            return deleted


@asynccontextmanager
async def maintained(settings: Settings) -> AsyncIterator[None]:
    """Run maintenance every `maintenance_seconds` for the length of the block; what goes wrong is tried again then."""
    task = asyncio.create_task(_maintain_for_ever(settings), name="maintenance")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _maintain_for_ever(settings: Settings) -> None:
    # The weeks that a start needs were made with the migrations; the first minute belongs to whoever waited for it.
    await asyncio.sleep(min(FIRST_AFTER_SECONDS, settings.maintenance_seconds))
    while True:
        try:
            done = await maintain(settings)
        except (InfraError, KafkaError, asyncpg.PostgresError, OSError) as error:
            log.warning("maintenance_failed", error=repr(error))
        except Exception:
            log.exception("maintenance_failed")
        else:
            if done is not None:
                log.info("maintained", **msgspec.to_builtins(done))
        await asyncio.sleep(settings.maintenance_seconds)
