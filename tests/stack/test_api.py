"""The HTTP API over real rooms: commands in, what comes of them out, and each request once however often it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest_asyncio

from infra.base.settings import Settings
from infra.edge.api.process import ApiProcess
from schemas.codec.wire import decode
from schemas.ids import new_order_id
from schemas.messages import PlaceOrderLine
from tests.harness.api import Answer, Client, order_body, serving_api, with_views
from tests.harness.shop import Shop, in_miniature, open_shop
from topology.topics import INVENTORY_COMMANDS


class Served(NamedTuple):
    """A shop whose API runs here."""

    shop: Shop
    process: ApiProcess
    client: Client

    async def placed(self) -> list[str]:
        """Return the ids of the orders on the log, each as often as its first line is there."""
        records = await self.shop.records(INVENTORY_COMMANDS)
        lines = [
            message
            for message in (decode(record.value or b"") for record in records)
            if isinstance(message, PlaceOrderLine)
        ]
        return [line.order_id for line in lines if line.line == 1]

    async def seen(self, path: str, **expected: Any) -> Answer:
        """Wait until what is shown has these values."""

        async def shows() -> Answer | None:
            answer = await self.client.get(path)
            document = answer.document if answer.status == 200 else {}
            return answer if all(document.get(name) == value for name, value in expected.items()) else None

        return await self.shop.until(shows)


@pytest_asyncio.fixture
async def served(settings: Settings, tmp_path: Path) -> AsyncIterator[Served]:
    """An API whose commands nobody decides."""
    async with open_shop(in_miniature(settings), tmp_path) as shop, serving_api(shop.settings) as (process, client):
        yield Served(shop, process, client)


@pytest_asyncio.fixture
async def working(served: Served) -> AsyncIterator[Served]:
    """An API over a whole system."""
    async with with_views(served.shop):
        yield served


async def test_an_order_is_placed_awaited_shown_shipped_and_followed(working: Served) -> None:
    client = working.client
    received = await client.post("/v1/stock/MUG%2Fred/receipts", {"quantity": 3})
    assert (received.status, received.headers["location"]) == (202, "/v1/stock/MUG%2Fred")
    await working.seen("/v1/stock/MUG%2Fred", available=3)

    wanted = order_body(("MUG/red", 2), shipping_minor=495)
    wanted["lines"][0] |= {"discount_minor": 100, "tax_minor": 180}
    placed = await client.post("/v1/orders", wanted, Prefer="wait=30")
    assert (placed.status, placed.document["state"]) == (200, "paid")
    assert placed.headers["preference-applied"] == "wait=30"
    path = placed.headers["location"]

    shipped = await client.post(path + "/shipments", {"carrier": "Post", "tracking": "T1"}, Prefer="wait=30")
    assert (shipped.status, shipped.document["outcome"]["type"]) == (200, "ShipmentShipped")
    refused = await client.post(
        path + "/cancel", {"requested_by": "customer", "reason": "late"}, key=None, Prefer="wait=30"
    )
    assert refused.document["outcome"]["data"]["reason"] == "already_shipped"

    shown = (await working.seen(path, fulfilment="shipped")).document
    assert (shown["money"]["captured_minor"], shown["lines"][0]["state"]) == (1_000 - 100 + 180 + 495, "shipped")
    assert (shown["shipping_minor"], shown["lines"][0]["discount_minor"], shown["lines"][0]["tax_minor"]) == (
        495,
        100,
        180,
    )
    assert "tok_ok" not in str(shown)
    async with client.events(path + "/events") as events:
        follower = [await anext(events) for _ in shown["events"]]
    assert [data["type"] for _, data in follower] == [event["type"] for event in shown["events"]]
    async with client.events(path + "/events", Last_Event_ID=follower[2][0]) as events:
        assert await anext(events) == follower[3]


async def test_a_sold_out_order_is_awaited_too(working: Served) -> None:
    placed = await working.client.post("/v1/orders", order_body(("NONE", 1)), Prefer="wait=30")
    assert (placed.status, placed.document["state"], placed.document["reason"]) == (
        200,
        "rejected",
        "unknown_sku",
    )


async def test_the_same_key_is_the_same_order_and_another_body_is_refused(served: Served) -> None:
    first = await served.client.post("/v1/orders", order_body(("MUG", 1)), key="k")
    again = await served.client.post("/v1/orders", order_body(("MUG", 1)), key="k")
    assert (first.status, first.document) == (202, again.document)
    other = await served.client.post("/v1/orders", order_body(("MUG", 2)), key="k")
    assert (other.status, other.document["type"]) == (422, "/docs#key-reused")
    fresh = await served.client.post("/v1/orders", order_body(("MUG", 1)), key="l")
    assert fresh.document["order_id"] != first.document["order_id"]
    assert await served.placed() == [first.document["order_id"], fresh.document["order_id"]]
    pending = await served.client.get(first.headers["location"])
    assert (pending.status, pending.document["state"]) == (200, "pending")
    assert (await served.client.get(f"/v1/orders/{new_order_id()}")).status == 404


async def test_a_key_whose_process_died_is_taken_over_with_the_same_id(served: Served) -> None:
    client, database = served.client, served.shop.database
    first = await client.post("/v1/orders", order_body(("MUG", 1)), key="k")
    # As a process leaves it that dies between writing the key down and publishing.
    await database.execute("UPDATE edge.idempotency_keys SET is_done = FALSE, leased_until = now() + interval '1 hour'")
    busy = await client.post("/v1/orders", order_body(("MUG", 1)), key="k")
    assert (busy.status, busy.headers["retry-after"]) == (409, "1")
    await database.execute("UPDATE edge.idempotency_keys SET leased_until = now()")
    taken = await client.post("/v1/orders", order_body(("MUG", 1)), key="k")
    assert (taken.status, taken.document) == (202, first.document)
    assert await served.placed() == [first.document["order_id"]] * 2
    assert await database.fetchval("SELECT is_done FROM edge.idempotency_keys")


async def test_many_clients_that_repeat_themselves_place_each_order_once(served: Served) -> None:
    """50 clients send each request to two processes at once, and again until they get an answer."""
    async with serving_api(served.shop.settings) as (_, second):

        async def order(number: int) -> set[str]:
            """Return the ids that a client is given for its order."""
            order_ids = set()
            for client in (served.client, second, served.client):
                attempts = [client.post("/v1/orders", order_body(("MUG", 1)), key=f"key-{number}") for _ in range(2)]
                answers = await asyncio.gather(*attempts)
                assert {answer.status for answer in answers} <= {202, 409}
                order_ids |= {answer.document["order_id"] for answer in answers if answer.status == 202}
            return order_ids

        ids = await asyncio.gather(*(order(number) for number in range(50)))
    assert all(len(each) == 1 for each in ids)
    assert sorted(await served.placed()) == sorted(each for batch in ids for each in batch)


async def test_the_tail_of_the_log_is_read_only_while_somebody_waits(served: Served) -> None:
    tail = served.process.tail
    await served.client.post("/v1/orders", order_body(("MUG", 1)))
    assert not tail.is_reading
    waited = await served.client.post("/v1/orders", order_body(("MUG", 1)), Prefer="wait=1")
    assert (waited.status, waited.document["state"]) == (202, "pending")
    assert tail.is_reading


async def test_all_events_are_followed_and_resumed_on_another_process(working: Served) -> None:
    client = working.client
    async with client.events("/v1/events") as events:
        await client.post("/v1/orders", order_body(("NONE", 1)), key="a")
        first_id, first = await anext(events)
    assert first["type"] == "LineRejected"
    for key in "bcd":
        await client.post("/v1/orders", order_body(("NONE", 1)), key=key, Prefer="wait=30")
    async with (
        serving_api(working.shop.settings) as (_, second),
        second.events("/v1/events", Last_Event_ID=first_id) as events,
    ):
        # The end of the first order, then beginning and end of the three that were placed while nobody listened.
        missed = [await anext(events) for _ in range(7)]
        await second.post("/v1/orders", order_body(("NONE", 1)), key="e")
        live = [await anext(events) for _ in range(2)]
    assert sorted(data["type"] for _, data in missed) == ["LineRejected"] * 3 + ["OrderRejected"] * 4
    assert {data["type"] for _, data in live} == {"LineRejected", "OrderRejected"}


async def test_more_than_can_be_served_at_once_is_asked_to_come_again(settings: Settings, tmp_path: Path) -> None:
    async with (
        open_shop(in_miniature(settings), tmp_path) as shop,
        serving_api(shop.settings, max_in_flight=2) as (_, client),
    ):
        client.is_patient = False
        attempts = [client.post("/v1/orders", order_body(("MUG", 1))) for _ in range(20)]
        answers = await asyncio.gather(*attempts)
        refused = [answer for answer in answers if answer.status == 503]
        assert refused
        assert all(answer.headers["retry-after"] == "1" for answer in refused)
        assert {answer.status for answer in answers} == {202, 503}
        assert (await client.post("/v1/orders", order_body(("MUG", 1)))).status == 202


async def test_every_example_of_the_document_is_taken(served: Served) -> None:
    document = (await served.client.get("/openapi.json")).document
    examples = {
        path: content["example"]
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    }
    assert len(examples) > 15
    for path, example in examples.items():
        address = path.replace("{order_id}", new_order_id()).replace("{return_id}", "return-1").replace("{sku}", "MUG")
        answer = await served.client.post(address, example)
        assert answer.status == 202, (path, answer.document)


async def test_a_batch_has_a_result_for_each_order_and_is_the_same_again(served: Served) -> None:
    good, bad = order_body(("MUG", 1), shipping_minor=495), order_body(("MUG", 0))
    first = await served.client.post("/v1/orders:batch", {"orders": [good, bad, good, 5]}, key="b")
    assert (first.status, first.document["accepted"]) == (202, 2)
    results = first.document["results"]
    assert [result["status"] for result in results] == [202, 422, 202, 422]
    assert results[1]["problem"]["errors"][0]["pointer"] == "/lines/0/quantity"
    ids = [results[0]["order_id"], results[2]["order_id"]]
    assert len(set(ids)) == 2
    again = await served.client.post("/v1/orders:batch", {"orders": [good, bad, good, 5]}, key="b")
    assert again.document == first.document
    assert sorted(await served.placed()) == sorted(ids)
    assert (await served.client.get(f"/v1/orders/{ids[1]}")).document["state"] == "pending"


async def test_orders_are_listed_in_pages_by_what_is_known_of_them(working: Served) -> None:
    client = working.client
    placed = [
        (await client.post("/v1/orders", order_body(("NONE", 1), customer_id=customer, reference=reference))).document
        for customer, reference in (("ann", "A-1"), ("ann", "A-2"), ("bob", "B-1"), ("ann", "A-3"))
    ]
    ids = [order["order_id"] for order in placed]

    async def listed(query: str) -> list[str]:
        return [order["order_id"] for order in (await client.get(f"/v1/orders?{query}")).document["orders"]]

    async def all_are_over() -> bool:
        return len(await listed("state=rejected")) == len(ids)

    await working.shop.until(all_are_over)
    assert await listed("reference=A-2") == [ids[1]]
    assert set(await listed("customer=ann&sku=NONE&from=2020-01-01T00:00:00Z")) == {ids[0], ids[1], ids[3]}
    assert await listed("to=2020-01-01T00:00:00Z") == []
    pages, query = [], "limit=3"
    while query:
        page = (await client.get(f"/v1/orders?{query}")).document
        pages.append([order["order_id"] for order in page["orders"]])
        query = page["next_cursor"] and f"limit=3&cursor={page['next_cursor']}"
    assert [len(page) for page in pages] == [3, 1]
    assert sorted(pages[0] + pages[1]) == sorted(ids)
