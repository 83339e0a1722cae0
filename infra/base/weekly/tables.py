"""The partitioned tables as they are: their weeks, what is misplaced, what is live, and how a week is made and dropped.

Locks: PostgreSQL makes a partition part of its table, or ends it, under locks that statements of the rooms must wait for,
and while such a lock is waited for, all that comes later waits behind it. So it is never waited for longer than
`LOCK_MS`; then the rooms go first, and it is tried again. (DETACH ... CONCURRENTLY needs no such lock, but PostgreSQL
refuses it where there is a default partition.) What takes long, moving rows and summing up, is done before.

Decision: docs/decisions, 025.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from consumers.inventory.state import LIVE
from consumers.payments.state import PENDING
from consumers.runtime.postgres.sql import load_queries
from infra.base.weekly.weeks import Week
from topology.states import CLOSED_ORDER_STATES, SETTLED_PAYMENT_STATES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

QUERIES: Final = load_queries("infra.base.weekly")
LOCK_MS: Final = 100
TRIES: Final = 30
PAUSE_SECONDS: Final = 0.2
MOST_LIVE: Final = 1_000
"""Live rows are counted up to here: one is reason enough to keep a week."""


Live = dict[str, int]
"""Table -> rows of a week that are not finished."""


class Table(NamedTuple):
    """One partitioned table, the UUID that its rows go by, which rows are live, and how full its pages are made."""

    name: str
    key: str
    is_live: str
    fillfactor: int = 100

    @property
    def default(self) -> str:
        """Name of the partition for what no week is there for."""
        return f"{self.name}_default"

    def of(self, week: Week) -> str:
        """Name of a week's partition."""
        return f"{self.name}_{week.name}"


def _one_of(states: Iterable[object]) -> str:
    return ", ".join(sorted(repr(str(state)) for state in states))


TABLES: Final = (
    Table("holds", "order_id", f"state IN ({', '.join(str(int(state)) for state in sorted(LIVE))})"),
    Table("movements", "id", "false"),
    Table("orders", "order_id", f"state NOT IN ({_one_of(CLOSED_ORDER_STATES)})", 50),
    Table("payments", "order_id", f"state NOT IN ({_one_of(SETTLED_PAYMENT_STATES)})", 70),
    Table("payment_attempts", "order_id", f"result = '{PENDING}'"),
    Table("fulfilments", "order_id", "waits_for <> ''", 70),
)
"""All rows of a week go together, so that the tables agree about an order. An order's updates shall find room in their page."""


class Partition(msgspec.Struct, frozen=True):
    """One partition; `week` is None for the default one and for the movements of named commands. `rows` is an estimate."""

    table: str
    name: str
    week: Week | None
    rows: int
    bytes: int


class BusyError(Exception):
    """The tables were in use for all the time that was given; nothing has changed."""


async def partitions(connection: asyncpg.Connection) -> list[Partition]:
    """Return every partition of our tables."""
    names = {table.name for table in TABLES}
    return [
        Partition(table, name, Week.named(name.removeprefix(f"{table}_")), rows, size)
        for table, name, rows, size in await connection.fetch(QUERIES["partitions"])
        if table in names
    ]


def weeks_of(existing: Sequence[Partition]) -> set[Week]:
    """Return the weeks that every table has."""
    by_table = {
        table.name: {partition.week for partition in existing if partition.table == table.name and partition.week}
        for table in TABLES
    }
    return set.intersection(*by_table.values())


async def misplaced_weeks(connection: asyncpg.Connection, latest_ms: int) -> set[Week]:
    """Return the weeks up to a moment of which the default partitions have rows."""
    weeks: set[Week] = set()
    for table in TABLES:
        query = f"SELECT {table.key} FROM {table.default} WHERE {table.key} >= $1 ORDER BY {table.key} LIMIT 1"  # noqa: S608  our own names
        reached = UUID(int=0)
        while (first := await connection.fetchval(query, reached)) is not None:
            week = Week.of(first.int >> 80)
            if week.from_ms > latest_ms:
                break
            weeks.add(week)
            reached = week.bounds[1]
    return weeks


async def live_rows(connection: asyncpg.Connection, week: Week) -> Live:
    """Return what a week has that is not finished, by table."""
    live: Live = {}
    for table in TABLES:
        query = f"SELECT count(*) FROM (SELECT FROM {table.of(week)} WHERE {table.is_live} LIMIT {MOST_LIVE}) AS live"  # noqa: S608  our own names
        if count := await connection.fetchval(query):
            live[table.name] = count
    return live


async def create(connection: asyncpg.Connection, *weeks: Week) -> None:
    """Make weeks in every table, with what the default partition has of them; all or none. Raises BusyError."""
    made = [(table, week) for week in weeks for table in TABLES]
    async with connection.transaction():
        await connection.execute(
            ";".join(
                f"CREATE TABLE {table.of(week)} (LIKE {table.name} INCLUDING ALL) WITH (fillfactor = {table.fillfactor})"
                for table, week in made
            )
        )

        async def attach() -> None:
            for table, week in made:
                await _move_and_attach(connection, table, week)

        await _when_free(connection, attach)


async def _move_and_attach(connection: asyncpg.Connection, table: Table, week: Week) -> None:
    low, high = week.bounds
    belongs = f"{table.key} >= '{low}' AND {table.key} < '{high}'"
    if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table.default} WHERE {belongs})"):  # noqa: S608  our own names
        await connection.execute(f"LOCK TABLE {table.default} IN ACCESS EXCLUSIVE MODE")
        await connection.execute(
            f"WITH moved AS (DELETE FROM {table.default} WHERE {belongs} RETURNING *) "  # noqa: S608  our own names
            f"INSERT INTO {table.of(week)} SELECT * FROM moved"
        )
    await connection.execute(
        f"ALTER TABLE {table.name} ATTACH PARTITION {table.of(week)} FOR VALUES FROM ('{low}') TO ('{high}')"
    )


async def drop(connection: asyncpg.Connection, week: Week) -> None:
    """Drop a week of every table; what its movements and shipments sum up to stays. Raises BusyError."""
    names = {table.name: table.of(week) for table in TABLES}
    async with connection.transaction():
        await connection.execute(QUERIES["carry_movements"].format(**names))
        await connection.execute(QUERIES["carry_shipments"].format(**names))
        await connection.execute(QUERIES["sum_purchases"].format(**names))

        async def finish() -> None:
            for table in TABLES:
                await connection.execute(f"DROP TABLE {table.of(week)}")
            # Only now: the rooms would wait for these rows too.
            await connection.execute(QUERIES["carry_purchases"])

        await _when_free(connection, finish)
        await connection.execute(QUERIES["note_dropped"], week.from_ms, week.until_ms)


async def _when_free(connection: asyncpg.Connection, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work as soon as all its locks are free. Raises BusyError."""
    for _ in range(TRIES):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
                await work()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  no secret
        else:
            return
    raise BusyError
