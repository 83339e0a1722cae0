"""Subscribers are told at least once, whatever they answer and whoever dies; nobody waits for a slow one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from consumers.notifications import delivery
from consumers.notifications.delivery import Deliverer
from consumers.notifications.room import NotificationsRoom
from consumers.notifications.store import QUERIES
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres.database import Database
from consumers.runtime.postgres.sql import array_literal
from infra.base.settings import Settings
from schemas import messages as m
from schemas.ids import new_order_id
from tests.harness.cli import lastunit
from tests.harness.shop import Shop, in_miniature, open_shop
from tests.harness.subscriber import SECRET, Subscriber, listening, never

SOON = (0.05, 0.05)
WAITING = "SELECT count(*) FROM webhook_deliveries WHERE parked_because IS NULL"
QUEUE = """
INSERT INTO webhook_deliveries (subscription_id, notification_id, partition, body, next_attempt_at_ms)
SELECT 's', n::text, n % 3, '{}', 0 FROM generate_series(1, 20000) AS n
"""
REFUSING = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
CREATE TRIGGER refusing BEFORE DELETE ON webhook_deliveries FOR EACH ROW EXECUTE FUNCTION refuse();
"""
PARKED = "SELECT count(*) FROM webhook_deliveries WHERE parked_because IS NOT NULL"


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


@asynccontextmanager
async def delivering(
    shop: Shop, schedule: Sequence[float] = SOON, timeout_seconds: float = 5.0
) -> AsyncIterator[Deliverer]:
    database = Database(shop.settings.postgres_dsn or "", "webhooks")
    deliverer = Deliverer(database, schedule_seconds=schedule, timeout_seconds=timeout_seconds)
    async with shop.owning(PartitionOwner(NotificationsRoom(deliverer), shop.options(), shop.publisher)):
        yield deliverer


async def subscribe(shop: Shop, subscriber: Subscriber, name: str = "s", kinds: Sequence[str] = ()) -> None:
    await shop.database.execute(
        "INSERT INTO webhook_subscriptions (subscription_id, url, secret, kinds) VALUES ($1, $2, $3, $4)",
        name,
        subscriber.url,
        SECRET,
        list(kinds),
    )


def paid(count: int) -> list[m.Message]:
    return [m.OrderPaid(new_order_id(), 600, "GBP") for _ in range(count)]


def names(events: Sequence[m.Message]) -> set[str]:
    return {f"{event.order_id}:order.confirmed" for event in events}  # type: ignore[attr-defined]  # all have one


async def test_each_subscriber_is_notified_of_what_it_subscribed_to(shop: Shop) -> None:
    events = paid(20)
    async with listening() as everything, listening() as cancellations, delivering(shop):
        await subscribe(shop, everything, "all")
        await subscribe(shop, cancellations, "some", ["order.cancelled"])
        cancelled = m.OrderCancelled(new_order_id(), "changed_mind", "customer")
        await shop.say(*events, cancelled)
        await shop.until(lambda: done(shop, everything, 21))
    assert set(everything.taken) == {*names(events), f"{cancelled.order_id}:order.cancelled"}
    assert set(cancellations.taken) == {f"{cancelled.order_id}:order.cancelled"}
    assert everything.bodies[0]["data"].keys() >= {"order_id"}


async def test_nobody_looks_for_deliveries_at_rest_and_the_first_subscriber_need_not_wait(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "REST_SECONDS", 600.0)
    [event] = paid(1)
    async with listening() as subscriber, delivering(shop) as deliverer:

        async def rests() -> bool:
            return deliverer._rests

        await shop.until(rests)
        await subscribe(shop, subscriber)
        await shop.say(event)
        await shop.until(lambda: done(shop, subscriber, 1))
    assert set(subscriber.taken) == names([event])


async def done(shop: Shop, subscriber: Subscriber, count: int) -> bool:
    return len(subscriber.taken) >= count and await shop.value(WAITING) == 0


async def test_what_fails_is_tried_again_under_the_same_id(shop: Shop) -> None:
    events = paid(10)
    async with listening() as subscriber, delivering(shop, schedule=(0.05,) * 5):
        await subscribe(shop, subscriber)

        async def moody(name: str) -> int:
            return 503 if subscriber.asked[name] < 3 else 200

        subscriber.answer = moody
        await shop.say(*events)
        await shop.until(lambda: done(shop, subscriber, 10))
    assert subscriber.asked == dict.fromkeys(names(events), 3)


@pytest.mark.release
async def test_endless_failure_is_parked_listed_and_taken_up_again_when_asked_for(
    shop: Shop, environment: dict[str, str]
) -> None:
    [event] = paid(1)
    async with listening() as subscriber, delivering(shop):
        await subscribe(shop, subscriber)

        async def broken(_: str) -> int:
            return 500

        well, subscriber.answer = subscriber.answer, broken
        await shop.say(event)
        await shop.until(lambda: shop.value(PARKED))
        shown = await lastunit(environment, "webhooks", "parked", "--json")
        assert [(parked["subscription_id"], parked["attempts"], parked["last_error"]) for parked in shown.json] == [
            ("s", 3, "answered 500")
        ]
        subscriber.answer = well
        assert (await lastunit(environment, "webhooks", "retry", "s")).status == 0
        await shop.until(lambda: done(shop, subscriber, 1))
    assert await shop.value(PARKED) == 0


async def test_a_subscriber_that_is_gone_is_notified_of_nothing_more(shop: Shop) -> None:
    async with listening() as subscriber, delivering(shop):
        await subscribe(shop, subscriber)

        async def gone(_: str) -> int:
            return 410

        subscriber.answer = gone
        await shop.say(*paid(1))
        await shop.until(lambda: shop.value(PARKED))
        await shop.say(*paid(3))
        await shop.until_quiet("notifications")
        assert subscriber.asked.total() == 1
        assert await shop.value(WAITING) == 0


async def test_nobody_waits_for_a_subscriber_that_does_not_answer(shop: Shop) -> None:
    events = paid(100)
    async with listening() as slow, listening() as quick, delivering(shop, timeout_seconds=60.0):
        await subscribe(shop, slow, "slow")
        await subscribe(shop, quick, "quick")
        slow.answer = never
        await shop.say(*events)

        async def is_notified() -> bool:
            return len(quick.taken) == len(events)

        await shop.until(is_notified)
    assert slow.most_under_way <= delivery.PER_SUBSCRIBER


async def test_an_outcome_that_cannot_be_written_is_written_later_and_never_posted_again(shop: Shop) -> None:
    events = paid(3)
    async with listening() as subscriber, delivering(shop) as deliverer:
        await subscribe(shop, subscriber)
        await shop.database.execute(REFUSING)
        with capture_logs() as logs:
            await shop.say(*events)

            async def tried_three_times() -> bool:
                return deliverer._database.outage._failing.get("outcomes", 0) >= 3

            await shop.until(tried_three_times)
        await shop.database.execute("DROP TRIGGER refusing ON webhook_deliveries")
        await shop.until(lambda: done(shop, subscriber, 3))
    assert subscriber.asked == dict.fromkeys(names(events), 1)
    assert [log["purpose"] for log in logs if log["event"] == "server_unavailable"] == ["outcomes"]


async def test_a_query_that_fails_does_not_end_the_deliverer(shop: Shop) -> None:
    events = paid(3)
    async with listening() as subscriber, delivering(shop) as deliverer:
        await subscribe(shop, subscriber)
        await shop.database.execute("ALTER TABLE webhook_subscriptions RENAME COLUMN url TO address")

        async def failed() -> bool:
            return "deliveries" in deliverer._database.outage._failing

        await shop.until(failed)
        await shop.database.execute("ALTER TABLE webhook_subscriptions RENAME COLUMN address TO url")
        await shop.say(*events)
        await shop.until(lambda: done(shop, subscriber, 3))


async def test_a_secret_that_cannot_sign_is_a_failed_attempt(shop: Shop) -> None:
    async with listening() as subscriber, delivering(shop):
        await subscribe(shop, subscriber)
        await shop.database.execute("UPDATE webhook_subscriptions SET secret = 'whsec_!'")
        await shop.say(*paid(1))
        await shop.until(lambda: shop.value(PARKED))
        assert "Error" in await shop.value("SELECT last_error FROM webhook_deliveries")
    assert subscriber.asked.total() == 0


async def test_a_long_queue_does_not_slow_down_its_own_delivery(shop: Shop) -> None:
    """`make chaos-saga` once found 22,000 notifications taken at 13 a second: each was looked for among all the others."""
    async with listening() as subscriber:
        await subscribe(shop, subscriber)
        await shop.database.execute(QUEUE)
        for busy, rows in (([], 64), (["s"], 0)):
            async with shop.database.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
                explain = "EXPLAIN (ANALYZE, FORMAT JSON) " + QUERIES["due"]
                arguments = (array_literal([0, 1, 2]), 1, array_literal(busy), 64)
                [plan] = json.loads(await connection.fetchval(explain, *arguments))
                assert plan["Plan"]["Actual Rows"] == rows
                assert rows_looked_at(plan["Plan"]) <= 3 * 64


def rows_looked_at(node: dict[str, Any]) -> float:
    below = sum(rows_looked_at(child) for child in node.get("Plans", ()))
    if node.get("Relation Name") != "webhook_deliveries":
        return below
    return float((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] + below)


@pytest.mark.faults
async def test_a_delivery_under_way_when_its_owner_stopped_is_made_by_the_next(shop: Shop) -> None:
    events = paid(30)
    async with listening() as subscriber:
        await subscribe(shop, subscriber)
        well, subscriber.answer = subscriber.answer, never
        async with delivering(shop):
            await shop.say(*events)
            await shop.until_quiet("notifications")

            async def asked() -> bool:
                return len(subscriber.asked) == delivery.PER_SUBSCRIBER

            await shop.until(asked)
        subscriber.answer = well
        async with delivering(shop):
            await shop.until(lambda: done(shop, subscriber, 30))
    assert set(subscriber.taken) == names(events)


async def test_subscriptions_are_made_shown_and_ended_by_hand(shop: Shop, environment: dict[str, str]) -> None:
    assert shop.settings.postgres_dsn
    added = await lastunit(
        environment, "webhooks", "add", "http://127.0.0.1:9/x", "--kind", "order.cancelled", "--json"
    )
    assert added.status == 0, added.errors
    assert added.json["secret"].startswith("whsec_")
    shown = (await lastunit(environment, "webhooks", "list", "--json")).json
    assert [(subscription["url"], subscription["kinds"], subscription["waiting"]) for subscription in shown] == [
        ("http://127.0.0.1:9/x", ["order.cancelled"], 0)
    ]
    assert "secret" not in shown[0]
    assert (await lastunit(environment, "webhooks", "remove", added.json["subscription_id"])).status == 0
    assert (await lastunit(environment, "webhooks", "list", "--json")).json == []
    for arguments, status, expected in (
        (("add", "nowhere"), 2, "is no http or https address"),
        (("add", "http://127.0.0.1:9/x", "--kind", "order.eaten"), 2, "There is no kind 'order.eaten'; give some of"),
        (("retry", "sub-1"), 1, "There is no subscription 'sub-1'"),
    ):
        answer = await lastunit(environment, "webhooks", *arguments)
        assert (answer.status, expected in answer.errors) == (status, True), answer.errors
