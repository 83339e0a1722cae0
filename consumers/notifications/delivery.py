"""Delivers notifications to subscribers by signed webhook, at least once (https://www.standardwebhooks.com).

It keeps nothing that matters: what is to be delivered stands in webhook_deliveries until its subscriber has taken it, so
whatever is under way when this process ends is tried again by the partition's next owner. A subscriber that is slow or
away holds up nobody else: it has at most `PER_SUBSCRIBER` requests under way. What failed is tried again after the waits of
`SCHEDULE_SECONDS`, then parked for a person (`lastunit webhooks`).

No database error ends a delivery or the deliverer: both wait for as long as it lasts. A notification that was sent stays
under way until its outcome is in the table, so an outcome that cannot be written never sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import aiohttp
import asyncpg
import structlog
from standardwebhooks import Webhook

from consumers.notifications.store import QUERIES
from consumers.runtime.postgres.database import ConnectionLostError
from consumers.runtime.postgres.sql import array_literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from consumers.runtime.background import BackgroundTasks
    from consumers.runtime.postgres.database import Database

log = structlog.get_logger(__name__)
T = TypeVar("T")

SCHEDULE_SECONDS: Final = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""How long to wait after each failed attempt, up to a tenth more: what Standard Webhooks recommends, three days in all."""
TIMEOUT_SECONDS: Final = 20.0
"""How long a subscriber may take to answer (Standard Webhooks: 15 to 30 s)."""
UNDER_WAY: Final = 64
PER_SUBSCRIBER: Final = 8
IDLE_SECONDS: Final = 0.5
REST_SECONDS: Final = 5.0
"""How often to look where nobody has subscribed and no batch adds anything: somebody may subscribe."""
ERROR_CHARACTERS: Final = 200
_SUCCESS: Final = range(200, 300)


class Delivery(NamedTuple):
    """One notification on its way to one subscriber; `attempts` have failed before."""

    subscription_id: str
    notification_id: str
    partition: int
    body: str
    attempts: int
    url: str
    secret: str

    @property
    def key(self) -> tuple[str, str]:
        """What names it among all deliveries."""
        return self.subscription_id, self.notification_id


class Verdict(NamedTuple):
    """What came of an attempt: nothing more to do where `error` is empty, else when to try again, or why never."""

    error: str
    wait_seconds: float = 0.0
    parked_because: str | None = None
    disables: bool = False


def judge(status: int | None, error: str, attempts: int, schedule: Sequence[float], random_fraction: float) -> Verdict:
    """Return what follows from an answer (or None, where there was none) to attempt number `attempts`, from 1. Pure."""
    if status is not None and status in _SUCCESS:
        return Verdict("")
    outcome = error if status is None else f"answered {status}"
    if status == HTTPStatus.GONE:
        return Verdict(outcome, parked_because="the subscriber is gone (410)", disables=True)
    if attempts > len(schedule):
        return Verdict(outcome, parked_because=f"{attempts} attempts failed")
    return Verdict(outcome, wait_seconds=schedule[attempts - 1] * (1 + random_fraction / 10))


class Deliverer:
    """Delivers what is due for the partitions that were claimed."""

    def __init__(
        self,
        database: Database,
        *,
        schedule_seconds: Sequence[float] = SCHEDULE_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
        random_fraction: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._schedule = schedule_seconds
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._random_fraction = random_fraction
        self._partitions: set[int] = set()
        self._under_way: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._busy: Counter[str] = Counter()
        self._woken = asyncio.Event()
        self._has_subscribers = True
        self._has_new = self._rests = False
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # a purpose has one connection
        self._work: asyncio.Task[None] | None = None

    def start(self, background: BackgroundTasks) -> None:
        """Begin to deliver; needs a running event loop."""
        self._work = background.start(self._deliver_what_is_due(background), "webhook deliveries")

    def claim(self, partition: int) -> None:
        """Deliver for this partition from now on."""
        self._partitions.add(partition)
        self.wake()

    def release(self, partition: int) -> None:
        """Begin no more deliveries for this partition; what is under way ends, and is harmless if done twice."""
        self._partitions.discard(partition)

    def wake(self) -> None:
        """Look for what is due now."""
        self._woken.set()

    def added(self) -> None:
        """Look for what a batch may have added: nothing, unless somebody has subscribed since the last look."""
        self._has_new = True
        if self._has_subscribers or self._rests:
            self._woken.set()

    async def close(self) -> None:
        """Stop; what is under way is tried again by whoever comes next."""
        tasks = [task for task in (self._work, *self._under_way.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._database.close()

    async def _deliver_what_is_due(self, background: BackgroundTasks) -> None:
        async with aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            while True:
                self._woken.clear()
                deliveries = await self._due()
                for delivery in deliveries:
                    self._begin(background, session, delivery)
                if not deliveries:
                    await self._wait()

    async def _wait(self) -> None:
        self._has_new = False
        await self._until_woken(IDLE_SECONDS)
        self._rests = not (self._has_subscribers or self._has_new or self._woken.is_set())
        if self._rests:
            await self._until_woken(REST_SECONDS)
            self._rests = False

    async def _until_woken(self, seconds: float) -> None:
        # Not wait_for: in Python 3.11 it forgets a cancellation that comes together with what it waits for (bpo-42130).
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _due(self) -> list[Delivery]:
        room = UNDER_WAY - len(self._under_way)
        if not self._partitions or room <= 0:
            return []
        saturated = [name for name, requests in self._busy.items() if requests >= PER_SUBSCRIBER]
        # As of now: what ends while the query runs may be read as it stood before its end.
        under_way = frozenset(self._under_way)
        limit = room + len(under_way)

        async def fetch(connection: asyncpg.Connection) -> list[Any]:
            partitions = array_literal(sorted(self._partitions))
            due = list(await connection.fetch(QUERIES["due"], partitions, _now_ms(), array_literal(saturated), limit))
            self._has_subscribers = bool(due) or await connection.fetchval(QUERIES["has_subscribers"])
            return due

        rows = await self._persistently("deliveries", fetch)
        deliveries = [delivery for delivery in (Delivery(*row) for row in rows) if delivery.key not in under_way]
        taken: Counter[str] = Counter(self._busy)
        fitting = []
        for delivery in deliveries[:room]:
            if taken[delivery.subscription_id] < PER_SUBSCRIBER:
                taken[delivery.subscription_id] += 1
                fitting.append(delivery)
        return fitting

    async def _persistently(self, purpose: str, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Run repeatable `work` until it succeeds, whatever PostgreSQL has against it; others go ahead between attempts."""
        try:
            while True:
                try:
                    async with self._turns[purpose]:
                        return await self._database.run(purpose, work)
                except ConnectionLostError as lost:
                    await self._database.outage.wait(lost.cause, purpose)
                except asyncpg.PostgresError as error:
                    await self._database.outage.wait(error, purpose)
        finally:
            self._database.outage.ended(purpose)

    def _begin(self, background: BackgroundTasks, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        self._busy[delivery.subscription_id] += 1
        task = background.start(self._deliver(session, delivery), f"webhook {delivery.notification_id}")
        self._under_way[delivery.key] = task
        task.add_done_callback(lambda _: self._ended(delivery))

    def _ended(self, delivery: Delivery) -> None:
        del self._under_way[delivery.key]
        self._busy[delivery.subscription_id] -= 1
        self.wake()

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        status, error = await self._post(session, delivery)
        attempts = delivery.attempts + 1
        verdict = judge(status, error, attempts, self._schedule, self._random_fraction())

        async def write(connection: asyncpg.Connection) -> None:
            if not verdict.error:
                await connection.execute(QUERIES["delivered"], *delivery.key)
                return
            again_ms = _now_ms() + round(verdict.wait_seconds * 1000)
            outcome = (attempts, again_ms, _storable(verdict.error), verdict.parked_because)
            await connection.execute(QUERIES["failed"], *delivery.key, *outcome)
            if verdict.disables:
                await connection.execute(QUERIES["disable"], delivery.subscription_id, verdict.parked_because)

        if verdict.error:
            log.info(
                "webhook_not_delivered",
                subscription=delivery.subscription_id,
                notification=delivery.notification_id,
                attempts=attempts,
                error=verdict.error,
                parked=verdict.parked_because,
            )
        await self._persistently("outcomes", write)

    async def _post(self, session: aiohttp.ClientSession, delivery: Delivery) -> tuple[int | None, str]:
        """Send it once, signed anew; return the status, or why there is none."""
        now = datetime.now(UTC)
        try:
            headers = {
                "Content-Type": "application/json",
                "webhook-id": delivery.notification_id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": Webhook(delivery.secret).sign(delivery.notification_id, now, delivery.body),
            }
            async with session.post(
                delivery.url, data=delivery.body.encode(), headers=headers, allow_redirects=False
            ) as answer:
                return answer.status, ""
        except Exception as error:  # noqa: BLE001  an address or a secret can be wrong in any way: an attempt that failed
            return None, f"{type(error).__name__}: {error}"


def _storable(error: str) -> str:
    """Return an error's beginning without what PostgreSQL's text cannot hold; a subscriber's server words it."""
    return error.replace("\0", "").encode(errors="replace").decode()[:ERROR_CHARACTERS]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
