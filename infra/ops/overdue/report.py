"""One list of all that waits: in the tables and in the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from infra.base.connections import address_of, database
from infra.base.partitions import recorded_partitions
from infra.ops.log import Log
from infra.ops.overdue.history import older_database, unused_partitions
from infra.ops.overdue.orders import Stuck, waiting_orders
from infra.ops.overdue.undecided import causes, dead_lines, lags

if TYPE_CHECKING:
    from infra.base.settings import Settings
    from infra.ops.overdue.undecided import DeadLine, Lag

PUBLISH_AGAIN: Final = "publish it again as docs/guides/orders.md says; the same order id and line are harmless"
SEE_THE_PARTITION: Final = "see to the partition, named below"


async def all_that_waits(settings: Settings, *, before_ms: int, limit: int = 1_000) -> list[Stuck]:
    """Return the orders and the partitions that have waited since before `before_ms` (ms since the epoch, UTC).

    Raises InfraError.
    """
    bootstrap = address_of("kafka_bootstrap", settings)
    now_ms = time.time_ns() // 1_000_000
    async with Log(bootstrap, settings.namespace) as log, database(settings) as connection:
        log.in_use = await recorded_partitions(connection)
        servers = [*await older_database(connection, now_ms), *await unused_partitions(log, now_ms)]
        lagging = await lags(connection, log, bootstrap, settings.namespace)
        dead = await dead_lines(log)
        waiting = await waiting_orders(connection, before_ms=before_ms, limit=limit)
        known = await connection.fetch(
            "SELECT order_id::text FROM orders WHERE order_id = ANY($1::uuid[])", [order_id for order_id, _ in dead]
        )
    why = causes(lagging, dead)
    for order in waiting:
        if order.missing and order.order_id is not None:
            _explain(
                order, why.get(order.order_id, {}), is_all_decided=not any(lag.room == "inventory" for lag in lagging)
            )
    in_tables = {row["order_id"] for row in known}
    waiting += [_lost(*key, line) for key, line in dead.items() if key[0] not in in_tables and line.at_ms <= before_ms]
    waiting += [_partition(lag) for lag in lagging if lag.since_ms <= before_ms]
    return [*servers, *waiting][:limit]


def _explain(order: Stuck, by_line: dict[int, str], *, is_all_decided: bool) -> None:
    """Name the cause of each missing line of a pending order."""
    never_came = "no record of it is on inventory.commands" if is_all_decided else "no record of it was found yet"
    order.cause = "; ".join(f"line {line}: {by_line.get(line, never_came)}" for line in order.missing)
    if any("dead letter" in by_line.get(line, "") for line in order.missing) or not by_line:
        order.what_to_do = PUBLISH_AGAIN
    else:
        order.what_to_do = SEE_THE_PARTITION


def _lost(order_id: str, line: int, letter: DeadLine) -> Stuck:
    waits_for = f"line {line} to be placed"
    return Stuck(order_id, "line", "dead_letter", waits_for, letter.at_ms, None, PUBLISH_AGAIN, [line], letter.cause)


def _partition(lag: Lag) -> Stuck:
    waits_for = f"{lag.room} to decide {lag.records:,} records of {lag.topic}/{lag.partition}"
    return Stuck(None, "partition", "undecided", waits_for, lag.since_ms, None, lag.what_to_do, [], lag.cause)
