"""What is in demand, counted by Faust on the real broker and Valkey: a killed worker loses nothing and counts nothing twice."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from consumers.following.follower import Followed, Follower
from consumers.projections import trend_store
from consumers.projections.trends import count_all, worth_of
from infra.base.settings import Settings
from infra.edge.shop.demand import Demand
from producers.publisher import BY_KEY, Outgoing, Publisher
from schemas import messages as m
from schemas.codec.wire import encode
from schemas.ids import new_order_id
from tests.harness.reading import Catalogue, catalogue
from tests.harness.waiting import until
from topology.topics import ORDER_EVENTS, SHOP_SIGNALS

SOURCES = [f"{topic.name}/{partition}" for topic in (SHOP_SIGNALS, ORDER_EVENTS) for partition in range(2)]


@pytest.fixture
async def shelf(settings: Settings) -> AsyncIterator[Catalogue]:
    async with catalogue(settings.model_copy(update={"partitions": 2})) as opened:
        yield opened


async def worker(settings: Settings, environment: dict[str, str], folder: Path) -> asyncio.subprocess.Process:
    with (folder / "worker.log").open("a") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.local.room_process", "trends",
            env={**environment, "LASTUNIT_PARTITIONS": "2", "LASTUNIT_STATE_DIR": str(folder)},
            stdout=log, stderr=log,
        )  # fmt: skip


class Recount:
    """The same counts by reading the whole log."""

    def __init__(self, settings: Settings) -> None:
        self.counts: Counter[str] = Counter()
        topics = (SHOP_SIGNALS, ORDER_EVENTS)
        self._follower = Follower(
            settings.kafka_bootstrap or "", settings.namespace, topics, self._apply, name="recount"
        )

    def _apply(self, records: list[Followed]) -> None:
        for record in records:
            if record.message is not None:
                self.counts.update(worth_of(record.message))

    async def done(self) -> Counter[str]:
        following = asyncio.create_task(self._follower.run())
        await asyncio.wait_for(self._follower.caught_up.wait(), 60)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        return self.counts


@pytest.mark.release
async def test_counts_equal_a_recount_of_the_log_however_often_the_worker_is_killed(
    shelf: Catalogue, environment: dict[str, str], tmp_path: Path
) -> None:
    settings = shelf.settings
    lot = random.Random(7)
    redis = Redis.from_url(settings.redis_url or "")
    hour = int(time.time() // trend_store.HOUR_S)

    async def counted() -> Counter[str]:
        return await trend_store.read_hours(redis, settings.namespace, SOURCES, range(hour - 1, hour + 2), best=1_000)

    async with Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace) as publisher:

        async def publish(number: int) -> None:
            records = []
            for _ in range(number):
                signal_ = m.ShopSignal(f"P{lot.randrange(20)}", lot.choice(("seen", "added", "found", "odd")), "v", "")
                records.append(Outgoing(SHOP_SIGNALS.name, BY_KEY, signal_.product_id.encode(), encode(signal_)))
                order_id = new_order_id()
                paid = m.OrderPaid(
                    order_id, 1, "GBP", (m.OrderedLine(1, f"S{lot.randrange(9)}", lot.randint(1, 3), 1),)
                )
                records.append(Outgoing(ORDER_EVENTS.name, BY_KEY, order_id.encode(), encode(paid)))
            await publisher.publish(records)

        for _ in range(2):
            before = sum((await counted()).values())
            process = await worker(settings, environment, tmp_path)
            await publish(400)

            async def some_more(before: int = before) -> bool:
                return sum((await counted()).values()) > before

            await until(some_more)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        await publish(100)
        process = await worker(settings, environment, tmp_path)
        expected = await Recount(settings).done()

        async def equal() -> bool:
            return await counted() == expected

        try:
            await until(equal)
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
            await redis.aclose()


async def test_what_is_in_demand_is_named_by_product_whether_it_was_seen_or_bought(shelf: Catalogue) -> None:
    settings = shelf.settings
    redis = Redis.from_url(settings.redis_url or "")
    await redis.set(f"{settings.namespace}sku:{{T-S}}", "TEE")
    hour = int(time.time() // trend_store.HOUR_S)
    await trend_store.count(
        redis, settings.namespace, SOURCES[0], believed=None, reached=5, by_hour={hour: {"p:MUG": 4, "s:T-S": 30}}
    )
    again = await trend_store.count(
        redis, settings.namespace, SOURCES[0], believed=None, reached=5, by_hour={hour: {"p:MUG": 4}}
    )
    assert again == 5
    in_demand = await Demand(redis, settings.namespace, 2).now()
    assert [(suggestion.product_id, suggestion.reason) for suggestion in in_demand] == [
        ("TEE", "in demand now"),
        ("MUG", "in demand now"),
    ]
    await redis.aclose()


def test_signals_and_sales_weigh_as_they_are_documented() -> None:
    paid = m.OrderPaid("o", 1, "GBP", (m.OrderedLine(1, "S", 2, 1), m.OrderedLine(2, "S", 1, 1)))
    assert worth_of(paid) == {"s:S": 30}
    assert worth_of(m.ShopSignal("P", "seen", "", "")) == {"p:P": 1}
    assert worth_of(m.ShopSignal("P", "nonsense", "", "")) == {}
    counts = count_all(
        [(7200.0, encode(paid)), (3599.0, encode(m.ShopSignal("P", "added", "", ""))), (0.0, b"?"), (0.0, None)]
    )
    assert counts == {2: {"s:S": 30}, 0: {"p:P": 5}}


async def test_what_is_forgotten_of_one_source_is_counted_again_and_the_others_stay(shelf: Catalogue) -> None:
    namespace = shelf.settings.namespace
    redis = Redis.from_url(shelf.settings.redis_url or "")

    async def count(source: str) -> None:
        by_hour = {7: {"s:MUG": 3}, 8: {"s:MUG": 1}}
        assert await trend_store.count(redis, namespace, source, believed=None, reached=5, by_hour=by_hour) == 5

    async def counted(source: str) -> int:
        return (await trend_store.read_hours(redis, namespace, [source], [7, 8]))["s:MUG"]

    try:
        for source in ("a/1", "a/10"):
            await count(source)
        await trend_store.forget(redis, namespace, "a/1")
        assert await trend_store.read_position(redis, namespace, "a/1") is None
        assert [await counted(source) for source in ("a/1", "a/10")] == [0, 4]
        await count("a/1")
        assert await counted("a/1") == 4
    finally:
        await redis.aclose()
