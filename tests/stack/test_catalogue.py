"""The catalogue on the real broker and database: what is put is published whole, once, and survives its owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.following.follower import Followed, Follower
from infra.base.settings import Settings
from producers.clients.catalogue import CatalogueClient, commands_for, put_product
from producers.importing.seeded_catalogue import seeded_catalogue
from schemas import messages as m
from tests.harness.buying import shopper
from tests.harness.cloud_events import cloud_events
from tests.harness.reading import serving
from tests.harness.shop import Shop, open_shop
from tests.harness.waiting import until
from topology.topics import CATALOGUE_COMMANDS, CATALOGUE_EVENTS, CATALOGUE_PRODUCTS


@pytest.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(settings.model_copy(update={"partitions": 2}), tmp_path) as opened:
        yield opened


class Latest:
    """What a reader of the catalogue's topics knows."""

    def __init__(self, settings: Settings) -> None:
        self.products: dict[str, m.Product | None] = {}
        self.events: list[m.Message] = []
        topics = (CATALOGUE_PRODUCTS, CATALOGUE_EVENTS)
        self.follower = Follower(settings.kafka_bootstrap or "", settings.namespace, topics, self.apply, name="test")

    def apply(self, records: list[Followed]) -> None:
        for record in records:
            if record.topic == CATALOGUE_EVENTS.name:
                assert record.message is not None
                self.events.append(record.message)
            else:
                assert record.message is None or isinstance(record.message, m.Product)
                self.products[record.key] = record.message


async def test_products_are_published_whole_and_a_repeated_import_changes_nothing(shop: Shop) -> None:
    drafts = list(seeded_catalogue(3, 40))
    commands = [command for draft in drafts for command in commands_for(draft)]
    latest = Latest(shop.settings)
    following = asyncio.create_task(latest.follower.run())
    try:
        async with shop.running("catalogue"):
            await CatalogueClient(shop.publisher).send(commands)
            await CatalogueClient(shop.publisher).send(commands)

            async def all_there() -> bool:
                return len(latest.products) == 40 and all(
                    product and product.state == "published" for product in latest.products.values()
                )

            await shop.until(all_there)
        async with shop.running("catalogue"):  # another owner knows what the first one decided
            await CatalogueClient(shop.publisher).send(commands[:1])
            await CatalogueClient(shop.publisher).send([put_product(drafts[0], expected_version=0)])

            async def refused() -> bool:
                return any(isinstance(event, m.CatalogueCommandRefused) for event in latest.events)

            await shop.until(refused)
        refusals = [event for event in latest.events if isinstance(event, m.CatalogueCommandRefused)]
        assert [refusal.reason for refusal in refusals] == ["version_conflict"]
        assert len(latest.events) == len(commands) + 1
        for draft in drafts:
            product = latest.products[draft.product_id]
            assert product is not None
            assert product.version == 2 + len(draft.variants)
            assert {price.sku: price.amount_minor for price in product.prices} == draft.prices
        rows = await shop.database.fetch("SELECT product_id, version FROM catalogue")
        assert {row["product_id"]: row["version"] for row in rows} == {
            product.product_id: product.version for product in latest.products.values() if product
        }
        for topic in (CATALOGUE_COMMANDS, CATALOGUE_EVENTS, CATALOGUE_PRODUCTS):
            assert cloud_events(topic, await shop.records(topic))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_products_are_administered_over_http_on_this_machine_only(shop: Shop) -> None:
    async with shop.running("catalogue"), serving(shop.settings) as process, shopper(process) as admin:
        path = "/admin/products/MUG"
        draft = {
            "product_id": "MUG",
            "title": "Red Mug",
            "currency": "GBP",
            "variants": [{"sku": "MUG", "title": ""}],
            "prices": {"MUG": 350},
        }
        assert (await admin.send("PUT", path, draft, Host="shop.example")).status == 403
        assert (await admin.send("PUT", path, draft, Origin="https://evil.example")).status == 403
        assert (await admin.send("PUT", path, draft | {"variants": []})).status == 422
        assert (await admin.send("PUT", path, draft | {"product_id": "CUP"})).status == 422
        assert (await admin.send("PUT", path, {"title": 1})).status == 422
        assert (await admin.send("PUT", path, draft, **{"If-Match": '"0"'})).status == 202
        assert (await admin.send("PUT", f"{path}/publication")).status == 202

        async def costs(text: str) -> bool:
            return text in (await admin.get("/p/red-mug_MUG")).text

        await until(lambda: costs("GBP 3.50"))
        price = {"sku": "MUG", "amount_minor": 299, "currency": "GBP"}
        assert (await admin.send("POST", f"{path}/prices", price)).status == 202
        await until(lambda: costs("GBP 2.99"))
        assert (await admin.send("DELETE", f"{path}/publication", {"reason": "recalled"})).status == 202
        await until(lambda: costs("No longer sold"))
