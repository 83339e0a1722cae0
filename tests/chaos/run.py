"""One run of chaos: a whole system, people, a subscriber, kills, rest, judgement."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec

from infra.base.migrate import migrate
from infra.base.rooms import ROOMS
from infra.base.settings import Settings
from infra.local.supervisor import Supervisor
from producers.clients.stock import StockClient, receipts_of
from producers.publisher import Publisher
from tests.chaos.judge import judge
from tests.chaos.killing import Killer
from tests.chaos.people import People
from tests.chaos.plan import IN_STOCK, Plan, fates, units_wanted
from tests.harness.shop import Shop
from tests.harness.subscriber import SECRET, Subscriber, listening
from tests.harness.waiting import until
from topology import admin

"""Those whose positions are in the database."""
SESSION_MS: Final = 2_000
"""A killed member is missed for so long; longer, and a room killed every few seconds would hardly work in between."""
PROGRESS_SECONDS: Final = 1.0
REST_SECONDS: Final = 600.0
LONGEST_SECONDS: Final = 3_600.0
REFUSING: Final = 0.02
"""Share of webhooks to the subscriber that it answers with 503 the first time."""
_SUBSCRIBE: Final = "INSERT INTO webhook_subscriptions (subscription_id, url, secret) VALUES ('chaos', $1, $2)"
_DELIVERIES: Final = "SELECT count(*) FROM webhook_deliveries WHERE parked_because IS NULL"


class Result(msgspec.Struct, kw_only=True):
    """What came of it. `waiting` names orders that wait for what nobody said, up to 20 for each name."""

    plan: Plan
    breaches: list[str]
    kills: dict[str, int]
    states: dict[str, int]
    waits: dict[str, int]
    waiting: dict[str, list[str]]
    money_minor: dict[str, dict[str, int]]
    notifications: dict[str, int]
    audit: dict[str, Any]
    seconds: dict[str, float]


async def run(plan: Plan, settings: Settings, folder: Path, say: Callable[[str], None]) -> Result:
    """Carry a plan out on an empty database and in a namespace without topics; `folder` is for logs and books."""
    settings = settings.model_copy(update={"session_timeout_ms": SESSION_MS, "log_format": "json"})
    bootstrap, dsn = settings.kafka_bootstrap or "", settings.postgres_dsn or ""
    await admin.apply(
        bootstrap,
        namespace=settings.namespace,
        partitions=settings.partitions,
        expected_cluster_id=settings.cluster_id,
    )
    await migrate(dsn)
    all_fates = list(fates(plan))
    async with AsyncExitStack() as open_ones:
        publisher = await open_ones.enter_async_context(Publisher(bootstrap, namespace=settings.namespace))
        database = await open_ones.enter_async_context(asyncpg.create_pool(dsn, min_size=1, max_size=4))
        subscriber = await open_ones.enter_async_context(listening())
        subscriber.answer = _moody(subscriber, plan.seed)
        await database.execute(_SUBSCRIBE, subscriber.url, SECRET)
        units = {sku: max(1, round(wanted * IN_STOCK)) for sku, wanted in units_wanted(all_fates).items()}
        await StockClient(publisher).receive(receipts_of("delivery", units))
        system = Supervisor(
            settings, folder=folder, processor_options=_faults(plan), webhooks=True, together=not plan.apart
        )
        await open_ones.enter_async_context(system)
        await system.start_all()
        shop = Shop(system.settings, system, publisher, database)
        people = await open_ones.enter_async_context(People(plan, all_fates, settings, publisher))
        killer = Killer(system, plan.killed, plan.seed, plan.kill_pause_seconds)
        began = time.monotonic()
        await _rage(plan, people, killer, say)
        rested = time.monotonic()
        is_at_rest = await _rest(shop, people, say)
        judged = time.monotonic()
        say("judging")
        result = await judge(plan, shop, all_fates, units, subscriber)
    if not is_at_rest:
        result.breaches.append(f"the system did not come to rest in {REST_SECONDS:.0f} s")
    result.kills = {name: killer.kills[name] for name in plan.killed}
    result.breaches += [f"{name} was never killed" for name in plan.killed if not killer.kills[name]]
    result.seconds = {"chaos": rested - began, "rest": judged - rested, "judgement": time.monotonic() - judged}
    return result


async def _rage(plan: Plan, people: People, killer: Killer, say: Callable[[str], None]) -> None:
    """Place all orders and kill, until people have nothing to say any more."""
    placing, killing = asyncio.create_task(people.place_all()), asyncio.create_task(killer.run())
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            while not (placing.done() and await people.is_idle()):
                await asyncio.wait({killing}, timeout=PROGRESS_SECONDS)
                if killing.done():
                    await killing
                say(f"{people.placed:,} of {plan.orders:,} orders placed, {killer.kills.total()} kills")
        await placing
    finally:
        placing.cancel()
        killer.stop()
        await killing


async def _rest(shop: Shop, people: People, say: Callable[[str], None]) -> bool:
    """Wait until nobody has anything to do; people may still have something to say to what comes out now."""

    async def is_at_rest() -> bool:
        return await people.is_idle() and await _is_quiet(shop) and await people.is_idle()

    try:
        await until(is_at_rest, seconds=REST_SECONDS, poll_seconds=0.2)
    except TimeoutError:
        async with shop.log() as log:
            say(await shop._unquiet(log, ROOMS))
        return False
    return True


async def _is_quiet(shop: Shop) -> bool:
    return await shop.is_quiet(*ROOMS) and not await shop.value(_DELIVERIES)


def _faults(plan: Plan) -> list[str]:
    rates = {
        "--decline-rate": plan.decline_rate,
        "--timeout-rate": plan.timeout_rate,
        "--lost-answer-rate": plan.lost_answer_rate,
        "--duplicate-webhook-rate": plan.duplicate_webhook_rate,
        "--reordered-webhook-rate": plan.reordered_webhook_rate,
        "--seed": plan.seed,
    }
    return [word for name, rate in rates.items() for word in (name, str(rate))]


def _moody(subscriber: Subscriber, seed: int) -> Callable[[str], Any]:
    async def answer(name: str) -> int:
        is_first = subscriber.asked[name] == 1
        return 503 if is_first and random.Random(f"{seed} {name}").random() < REFUSING else 200

    return answer
