"""The API is killed under load: what it acknowledged is on the log, and a request that is sent again makes no second order."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import aiohttp

from infra.base.rooms import API
from infra.base.settings import Settings
from schemas.codec.wire import decode
from schemas.messages import PlaceOrderLine
from tests.harness.api import Client, order_body
from tests.harness.shop import in_miniature, open_shop
from tests.harness.waiting import until
from tests.samples import samples
from topology.topics import INVENTORY_COMMANDS

CLIENTS = 20
ORDERS_EACH = samples(6)
KILLS = samples(4)


async def placed_for_sure(client: Client, key: str) -> str:
    """Send an order until it is acknowledged, as a client of a server that dies now and then does; return its id."""

    async def acknowledged_id() -> str:
        try:
            answer = await client.post("/v1/orders", order_body(("MUG", 1)), key=key)
        except (aiohttp.ClientError, OSError):
            return ""
        if answer.status == 202:
            return str(answer.document["order_id"])
        assert answer.status in (409, 503), answer.document
        return ""

    return await until(acknowledged_id)


async def test_what_was_acknowledged_before_a_kill_is_on_the_log_once(settings: Settings, tmp_path: Path) -> None:
    dice = random.Random(1)
    async with open_shop(in_miniature(settings), tmp_path, api=True) as shop, aiohttp.ClientSession() as session:
        supervisor = shop.supervisor
        await supervisor.start(API)
        client = Client(session, f"http://127.0.0.1:{supervisor.settings.api_port}")
        acknowledged: dict[str, str] = {}

        async def customer(number: int) -> None:
            for order in range(ORDERS_EACH):
                key = f"{number}-{order}"
                acknowledged[key] = await placed_for_sure(client, key)

        async def killer() -> None:
            for kill in range(1, KILLS + 1):
                wanted = kill * CLIENTS * ORDERS_EACH // (KILLS + 1)
                await shop.until(lambda wanted=wanted: len(acknowledged) >= wanted)  # type: ignore[misc]
                await asyncio.sleep(dice.random() * 0.02)
                await supervisor.kill(API)
                # Whose process died in the middle holds its key for the length of the lease.
                await shop.database.execute("UPDATE edge.idempotency_keys SET leased_until = now() WHERE NOT is_done")
                await supervisor.start(API)

        await asyncio.gather(killer(), *(customer(number) for number in range(CLIENTS)))
        again = {key: await placed_for_sure(client, key) for key in list(acknowledged)[::7]}
        records = await shop.records(INVENTORY_COMMANDS)
    on_the_log = {
        message.order_id
        for message in map(decode, (record.value or b"" for record in records))
        if isinstance(message, PlaceOrderLine)
    }
    assert len(acknowledged) == CLIENTS * ORDERS_EACH
    assert set(acknowledged.values()) == on_the_log
    assert all(acknowledged[key] == order_id for key, order_id in again.items())
