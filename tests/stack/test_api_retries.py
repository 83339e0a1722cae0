"""Many clients at once whose answers get lost and who send again: each order is on the log once."""

from __future__ import annotations

import asyncio
import random
import uuid
from pathlib import Path

import aiohttp

from infra.base.settings import Settings
from schemas.codec.wire import decode
from schemas.messages import PlaceOrderLine
from tests.harness.api import order_body, serving_api
from tests.harness.shop import Shop, in_miniature, open_shop
from topology.topics import INVENTORY_COMMANDS

CLIENTS = 50
ORDERS_EACH = 3
LONGEST_PATIENCE_S = 0.05


class Impatient:
    """A client that gives up on most answers after a moment, and sends again until it has one."""

    def __init__(self, address: str, seed: int, *, keeps_keys: bool) -> None:
        self._address, self._dice, self._keeps_keys = address, random.Random(seed), keeps_keys
        self.lost = 0

    async def place(self, session: aiohttp.ClientSession) -> str:
        """Return the id of an order that was acknowledged."""
        key = str(uuid.UUID(int=self._dice.getrandbits(128)))
        while True:
            headers = {"Idempotency-Key": key if self._keeps_keys else str(uuid.uuid4())}
            patience = aiohttp.ClientTimeout(
                self._dice.random() * LONGEST_PATIENCE_S if self._dice.random() < 0.7 else 60
            )
            try:
                async with session.post(
                    f"{self._address}/v1/orders", json=order_body(("MUG", 1)), headers=headers, timeout=patience
                ) as answer:
                    if answer.status == 202:
                        return str((await answer.json())["order_id"])
                    assert answer.status in (409, 503), await answer.text()
                    await asyncio.sleep(float(answer.headers["Retry-After"]) * self._dice.random())
            except (TimeoutError, aiohttp.ClientError):
                self.lost += 1


async def placed_by(address: str, *, keeps_keys: bool) -> tuple[list[str], int]:
    """Return the ids of all orders that were acknowledged, and how many answers were lost."""
    clients = [Impatient(address, seed, keeps_keys=keeps_keys) for seed in range(CLIENTS)]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def all_of(client: Impatient) -> list[str]:
            return [await client.place(session) for _ in range(ORDERS_EACH)]

        by_client = await asyncio.gather(*map(all_of, clients))
    return [order_id for ids in by_client for order_id in ids], sum(client.lost for client in clients)


async def on_the_log(shop: Shop) -> list[str]:
    records = await shop.records(INVENTORY_COMMANDS)
    messages = map(decode, (record.value for record in records))
    return [message.order_id for message in messages if isinstance(message, PlaceOrderLine)]


async def test_fifty_clients_that_lose_answers_make_each_order_once(settings: Settings, tmp_path: Path) -> None:
    async with open_shop(in_miniature(settings), tmp_path) as shop, serving_api(shop.settings) as (_, client):
        acknowledged, lost = await placed_by(client.address, keeps_keys=True)
        assert (len(set(acknowledged)), lost > CLIENTS) == (CLIENTS * ORDERS_EACH, True)
        assert set(await on_the_log(shop)) == set(acknowledged)

        # Whoever takes a new key for a repeat orders twice: the answers that were lost had been orders.
        careless, _ = await placed_by(client.address, keeps_keys=False)
        assert len(set(await on_the_log(shop))) > len(acknowledged) + len(careless)
