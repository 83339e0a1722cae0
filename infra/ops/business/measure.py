"""What waits inside the shop: orders, money and goods by state, deadlines, holds, the outbox, and demand by SKU."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

import msgspec

from consumers.runtime.postgres.sql import load_queries
from schemas.codec.wire import decode_if
from schemas.errors import DecodeError
from schemas.messages import LineRejected, LineReserved, Message
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from consumers.runtime.deciding.record import Record
    from infra.ops.log import Log

QUERIES: Final = load_queries("infra.ops.business")

SOON_MS: Final = 60_000
"""A hold that expires within a minute is about to."""
GRACE_MS: Final = 10_000
"""An owner ends what is past its deadline within seconds; only what is left after that is late."""
DEMAND_SECONDS: Final = 60.0
HOT_SKUS: Final = 10
_RECORDS_OF_A_PARTITION: Final = 20_000
_ANSWERS: Final[frozenset[type[Message]]] = frozenset({LineReserved, LineRejected})


class Waiting(msgspec.Struct, frozen=True):
    """Orders in one state of one axis (order, payment, fulfilment); `oldest_ms` is since when the longest wait lasts."""

    axis: str
    state: str
    count: int
    oldest_ms: int


class PastDeadline(msgspec.Struct, frozen=True):
    """Rows of a room whose deadline is over and that nothing has ended; `oldest_ms` is the earliest deadline."""

    room: str
    count: int
    oldest_ms: int


class Unconfirmed(msgspec.Struct, frozen=True):
    """Operations at the payment processor whose outcome is not known, by kind."""

    kind: str
    count: int
    oldest_ms: int


class Demand(msgspec.Struct, frozen=True):
    """Order lines for one SKU within `DEMAND_SECONDS`: units reserved, and lines refused because it is sold out."""

    sku: str
    lines: int
    units: int
    sold_out: int


class BusinessLag(msgspec.Struct, frozen=True, kw_only=True):
    """All of it as of `at_ms`. Times are ms since the epoch, UTC."""

    at_ms: int
    waiting: list[Waiting]
    past_deadline: list[PastDeadline]
    holds_expiring: int
    """Holds that end within a minute, if nobody pays."""
    holds_expired: int
    """Holds that should have ended: their owner does not move."""
    outbox: dict[str, int]
    """Batches by room that are committed and not yet published."""
    unconfirmed: list[Unconfirmed]
    parked_webhooks: int


async def business_lag(connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy) -> BusinessLag:
    """Measure what waits in the tables, in one snapshot of each."""
    now_ms = time.time_ns() // 1_000_000
    late_ms = now_ms - GRACE_MS
    holds = await connection.fetchrow(QUERIES["holds"], late_ms, now_ms + SOON_MS)
    return BusinessLag(
        at_ms=now_ms,
        waiting=[Waiting(*row) for row in await connection.fetch(QUERIES["waiting"])],
        past_deadline=[PastDeadline(*row) for row in await connection.fetch(QUERIES["past_deadline"], late_ms)],
        holds_expiring=holds["expiring"] if holds else 0,
        holds_expired=holds["expired"] if holds else 0,
        outbox={row["room"]: row["blobs"] for row in await connection.fetch(QUERIES["outbox"])},
        unconfirmed=[Unconfirmed(*row) for row in await connection.fetch(QUERIES["attempts"])],
        parked_webhooks=await connection.fetchval(QUERIES["parked_webhooks"]) or 0,
    )


class DemandWindow:
    """Counts the answers of the last seconds on order.events, kept current by reading on from where the last look ended."""

    def __init__(self, seconds: float = DEMAND_SECONDS) -> None:
        self._window_ms = round(seconds * 1000)
        self._answers: deque[tuple[int, LineReserved | LineRejected]] = deque()
        self._next: dict[int, int] = {}

    async def refresh(self, log: Log, *, most: int = HOT_SKUS) -> list[Demand]:
        """Read what is new and return the demand, the most wanted SKU first. Raises UnreadableError.

        Of a partition that got more than 20,000 records since the last look the latest are counted.
        """
        since_ms = time.time_ns() // 1_000_000 - self._window_ms
        ends = await log.ends(ORDER_EVENTS)
        if len(self._next) != len(ends):
            self._answers.clear()
            self._next = dict(enumerate(await log.offsets_since(ORDER_EVENTS, since_ms)))
        for partition, end in enumerate(ends):
            start = max(self._next[partition], end - _RECORDS_OF_A_PARTITION)
            async for records in log.read(ORDER_EVENTS, partition, end, start=start):
                self._take(records)
            self._next[partition] = end
        self._answers = deque((at_ms, answer) for at_ms, answer in self._answers if at_ms >= since_ms)
        return self._counted(most)

    def by_second(self, sku: str) -> dict[int, tuple[int, int]]:
        """Return units reserved and lines refused for want of units in each second (s since the epoch) that had either."""
        units: Counter[int] = Counter()
        refused: Counter[int] = Counter()
        for at_ms, answer in self._answers:
            if answer.sku != sku:
                continue
            if isinstance(answer, LineReserved):
                units[at_ms // 1000] += answer.quantity
            elif answer.reason == "insufficient_stock":
                refused[at_ms // 1000] += 1
        return {second: (units[second], refused[second]) for second in sorted(units.keys() | refused.keys())}

    def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                answer = decode_if(record.value, _ANSWERS)
            except DecodeError:
                continue
            if isinstance(answer, LineReserved | LineRejected):
                self._answers.append((record.timestamp, answer))

    def _counted(self, most: int) -> list[Demand]:
        lines: Counter[str] = Counter()
        units: Counter[str] = Counter()
        sold_out: Counter[str] = Counter()
        for _, answer in self._answers:
            lines[answer.sku] += 1
            if isinstance(answer, LineReserved):
                units[answer.sku] += answer.quantity
            else:
                sold_out[answer.sku] += answer.reason == "insufficient_stock"
        return [Demand(sku, count, units[sku], sold_out[sku]) for sku, count in lines.most_common(most)]


async def demand(log: Log) -> list[Demand]:
    """Return the demand of the last `DEMAND_SECONDS`, the most wanted SKU first. Raises UnreadableError."""
    return await DemandWindow().refresh(log)
