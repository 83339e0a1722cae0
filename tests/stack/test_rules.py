"""Versions of the decision rules on the real broker and database: a new system begins with the newest, others adopt it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from consumers.errors import UnknownRulesError
from consumers.inventory.room import InventoryRoom
from consumers.runtime.owner import PartitionOwner
from infra.base.settings import Settings
from infra.ops.errors import RulesRefusedError
from infra.ops.rules import adopt_everywhere, in_force
from schemas.codec.wire import decode
from schemas.messages import AdoptRules
from tests.harness.shop import PARTITIONS, Level, Shop, in_miniature, open_shop
from topology import admin
from topology.partitioner import partition_of
from topology.rules import NEWEST, VERSIONED, adopt
from topology.topics import INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS

TOPICS = (INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS)
"""Those whose rooms run here."""
MUG = partition_of(b"MUG", PARTITIONS)


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def version(shop: Shop, partition: int = MUG) -> int:
    query = "SELECT rules_version FROM claims WHERE room = 'inventory' AND partition = $1"
    return int(await shop.value(query, partition))


async def test_every_partition_of_a_new_system_begins_with_the_newest_version_once(shop: Shop) -> None:
    await admin.apply(
        shop.settings.kafka_bootstrap or "",
        namespace=shop.settings.namespace,
        partitions=PARTITIONS,
        expected_cluster_id=shop.settings.cluster_id,
    )
    for topic in VERSIONED:
        assert [decode(record.value) for record in await shop.records(topic)] == [AdoptRules(NEWEST)] * PARTITIONS
    await shop.receive(MUG=1)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    assert await version(shop) == NEWEST
    assert await shop.levels() == {"MUG": Level(1, 0, 0)}
    await shop.assert_sound()


async def test_a_version_is_adopted_once_and_none_goes_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async with shop.running():
        await shop.until_quiet()
        await shop.value("UPDATE claims SET rules_version = 0")  # as a system from before versions
    async with shop.running():
        assert {each.least for each in await in_force(shop.settings) if each.versions} == {0}
        after = await adopt_everywhere(shop.settings, topics=TOPICS)
        assert {each.least for each in after if each.versions} == {NEWEST}
        ends = [len(await shop.records(topic)) for topic in VERSIONED]
        await adopt_everywhere(shop.settings, topics=TOPICS)
        assert [len(await shop.records(topic)) for topic in VERSIONED] == ends, "adopting again appends nothing"
        with pytest.raises(RulesRefusedError, match="This release knows versions"):
            await adopt_everywhere(shop.settings, NEWEST + 1)
        monkeypatch.setattr("infra.ops.rules.NEWEST", NEWEST + 1)
        await shop.value("UPDATE claims SET rules_version = $1", NEWEST + 1)
        with pytest.raises(RulesRefusedError, match=f"is decided by version {NEWEST + 1} of the rules already"):
            await adopt_everywhere(shop.settings, NEWEST)


async def test_an_owner_stops_before_a_version_that_it_does_not_know(shop: Shop) -> None:
    await shop.receive(MUG=1)
    name = INVENTORY_COMMANDS.in_namespace(shop.settings.namespace)
    await adopt(shop.settings.kafka_bootstrap or "", NEWEST + 1, {name: [MUG]})
    await shop.receive(TIN=1)
    with pytest.raises(UnknownRulesError, match=f"is decided by version {NEWEST + 1} of the rules"):
        async with asyncio.timeout(30):
            await PartitionOwner(InventoryRoom(), shop.options(), shop.publisher).run()
    assert await version(shop) == NEWEST, "nothing was decided beyond it"


async def test_an_owner_claims_nothing_that_was_decided_by_a_version_that_it_does_not_know(shop: Shop) -> None:
    await shop.value(
        "INSERT INTO claims (room, partition, epoch, next_offsets, at_ms, batch, rules_version)"
        " VALUES ('inventory', $1, 1, '{0}', 0, 0, $2)",
        MUG,
        NEWEST + 1,
    )
    with pytest.raises(UnknownRulesError):
        async with asyncio.timeout(30):
            await PartitionOwner(InventoryRoom(), shop.options(), shop.publisher).run()


async def test_all_rooms_of_a_log_adopt_it(shop: Shop) -> None:
    async with shop.running():
        await shop.until_quiet()
    adopted = [each for each in await in_force(shop.settings) if each.topic == ORDER_EVENTS.name]
    assert len(adopted) == PARTITIONS
    for each in adopted:
        assert each.versions.keys() >= {"orders", "payments", "fulfilment"}
        assert set(each.versions.values()) == {NEWEST}
