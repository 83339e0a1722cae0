"""How many requests a client of the API has, counted in Valkey for all processes together."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from infra.base.settings import Settings
from infra.edge.access import limits
from infra.edge.access.limits import RateLimits
from tests.harness.api import keyed_api, order_body
from tests.harness.shop import in_miniature
from tests.harness.tables import give_tables
from tests.harness.waiting import until
from topology import admin

NOBODY_THERE = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def counting(
    settings: Settings, quota: int, *, window_seconds: int = 60, url: str = ""
) -> AsyncIterator[RateLimits]:
    async with Redis.from_url(url or settings.redis_url or "") as redis:
        counted = RateLimits(redis, settings.namespace, quota=quota, window_seconds=window_seconds)
        yield counted
        await counted.close()


@pytest.mark.parametrize(("quota", "lost"), [(7, 0), (3_000, 6)])
async def test_processes_share_what_a_client_has(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, quota: int, lost: int
) -> None:
    """All of it is served and no more; of a large quota each process may keep a lot of three that it does not use up."""
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 60.0)  # however busy the machine is, Valkey is not away
    async with AsyncExitStack() as open_ones:
        processes = [await open_ones.enter_async_context(counting(settings, quota)) for _ in range(3)]
        wanted = (process.take("a") for _ in range(quota) for process in processes)
        taken = [allowance for allowance in await asyncio.gather(*wanted) if allowance is not None]
        served = [allowance for allowance in taken if not allowance.is_exceeded]
        assert quota - lost <= len(served) <= quota
        assert len(taken) == 3 * quota
        assert min(allowance.remaining for allowance in served) == 0
        assert max(allowance.remaining for allowance in served) == quota - 1
        assert all(0 < allowance.reset_s <= 60 for allowance in taken)
        other = await processes[0].take("b")
        assert other is not None
        assert not other.is_exceeded


async def test_many_requests_at_once_are_all_counted_or_none(settings: Settings) -> None:
    async with counting(settings, 10) as one, counting(settings, 10) as other:
        first = await one.take("a", 6)
        assert (first and (first.remaining, first.is_exceeded)) == (4, False)
        too_many = await other.take("a", 5)
        assert (too_many and (too_many.remaining, too_many.is_exceeded)) == (4, True)
        assert [
            allowance and allowance.is_exceeded for allowance in [await other.take("a", size) for size in (3, 1, 1)]
        ] == [
            False,
            False,
            True,
        ]
        together = await asyncio.gather(*(one.take("b", 4) for _ in range(4)))
        assert [allowance and allowance.is_exceeded for allowance in together] == [False, False, True, True]


async def test_a_window_ends(settings: Settings) -> None:
    async with counting(settings, 2, window_seconds=1) as counted:
        allowances = await asyncio.gather(*(counted.take("a") for _ in range(3)))
        assert [allowance and allowance.is_exceeded for allowance in allowances] == [False, False, True]

        async def is_served() -> bool:
            allowance = await counted.take("a")
            return allowance is not None and not allowance.is_exceeded

        await until(is_served)


async def test_most_requests_ask_nobody(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: Counter[str] = Counter()
    take_lots = RateLimits._take_lots

    async def counted_lots(self: RateLimits, wanted: dict[str, int]) -> None:
        asked.update(wanted.keys())
        await take_lots(self, wanted)

    monkeypatch.setattr(RateLimits, "_take_lots", counted_lots)
    async with counting(settings, 10_000) as counted:
        for _ in range(100):
            await counted.take("a")
        for _ in range(30):
            await counted.take("b")
    assert asked == {"a": 10, "b": 3}


async def test_without_valkey_every_request_passes_and_that_is_logged_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AWAY_SECONDS", 0.0)
    with capture_logs() as logged:
        async with counting(settings, 1, url=NOBODY_THERE) as counted:
            assert [await counted.take("a") for _ in range(5)] == [None] * 5
    assert [line["event"] for line in logged] == ["rate_limits_suspended"]


async def test_the_api_reports_what_is_left_and_refuses_what_is_beyond(settings: Settings) -> None:
    small = in_miniature(settings)
    await admin.apply(
        small.kafka_bootstrap or "", namespace=small.namespace, partitions=1, expected_cluster_id=small.cluster_id
    )
    await give_tables(small.postgres_dsn or "")
    async with keyed_api(small, rate_limit=3) as (_, client):
        for left in (2, 1, 0):
            answer = await client.get("/v1/stock/MUG")
            assert answer.status in (404, 503)
            assert answer.headers["ratelimit-policy"] == '"requests";q=3;w=60'
            assert re.fullmatch(rf'"requests";r={left};t=(60|[345]\d)', answer.headers["ratelimit"])
        refused = await client.get("/v1/stock/MUG")
        assert (refused.status, refused.document["type"]) == (429, "/docs#too-many-requests")
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit"].startswith('"requests";r=0;t=')
        strangers = [(await client.with_key("x").get("/v1/stock/MUG")).status for _ in range(4)]
        assert strangers == [401, 401, 401, 429]  # by address, whatever the clients have left
        assert [(await client.get(path)).status for path in ("/healthz", "/docs", "/docs/")] == [200, 200, 200]
    async with keyed_api(small, rate_limit=10) as (_, client):
        batch = await client.post("/v1/orders:batch", {"orders": [order_body(("MUG", 1))] * 7})
        assert (batch.status, batch.headers["ratelimit"].partition(";t=")[0]) == (202, '"requests";r=3')
        batch = await client.post("/v1/orders:batch", {"orders": [order_body(("MUG", 1))] * 4})
        assert (batch.status, batch.headers["ratelimit"].partition(";t=")[0]) == (429, '"requests";r=2')
        batch = await client.post("/v1/orders:batch", {"orders": [order_body(("MUG", 1))] * 12})
        assert (batch.status, "smaller batches" in batch.document["detail"]) == (429, True)
    async with keyed_api(small.model_copy(update={"redis_url": NOBODY_THERE}), rate_limit=1) as (_, client):
        for _ in range(3):
            answer = await client.get("/v1/stock/MUG")
            assert answer.status in (404, 503)
            assert "ratelimit" not in answer.headers
