"""A position belongs to one log: another one under the same names is refused before anything is decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from structlog.testing import capture_logs

from consumers.errors import LogGapError, NeedsPersonError, OtherLogError
from consumers.inventory.room import InventoryRoom
from consumers.runtime import log_watch
from consumers.runtime.owner import PartitionOwner
from infra.base.connections import database
from infra.base.settings import Settings
from infra.ops.overdue.report import all_that_waits
from infra.ops.rebase import RebasePlan, RebaseRefusedError, accept_log, plan_rebase
from tests.harness.cli import lastunit
from tests.harness.restoring import restored
from tests.harness.shop import PARTITIONS, Level, Shop, in_miniature, open_shop, order
from tests.harness.waiting import until
from topology import admin
from topology.topic_metadata import topic_metadata
from topology.topics import INVENTORY_COMMANDS


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def make_again(shop: Shop) -> None:
    """Delete inventory.commands and make it again, as somebody does who wants to empty it."""
    settings, name = shop.settings, INVENTORY_COMMANDS.in_namespace(shop.settings.namespace)
    client = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await client.start()
    try:
        await client.delete_topics([name])

        async def is_gone() -> bool:
            return not (await topic_metadata(client._client, [name])).topics

        await until(is_gone)
    finally:
        await client.close()
    await admin.apply(
        settings.kafka_bootstrap or "",
        namespace=settings.namespace,
        partitions=settings.partitions,
        expected_cluster_id=settings.cluster_id,
    )


def inventory(shop: Shop) -> PartitionOwner:
    return PartitionOwner(InventoryRoom(), shop.options(), shop.publisher)


async def run_refused(shop: Shop, error: type[NeedsPersonError], match: str) -> None:
    with pytest.raises(error, match=match):
        await asyncio.wait_for(inventory(shop).run(), 30)


async def epochs(shop: Shop) -> list[int]:
    return [row["epoch"] for row in await shop.database.fetch("SELECT epoch FROM claims ORDER BY partition")]


async def test_a_topic_that_was_made_again_is_not_read_on_from_the_old_position(shop: Shop) -> None:
    """61 of 240 acknowledged orders were never decided: the new topic had grown longer than the old position."""
    await shop.receive(MUG=5)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    before = await epochs(shop)

    await make_again(shop)
    await shop.place(*(order(("MUG", 1)) for _ in range(20)))

    await run_refused(shop, OtherLogError, r"another log: cluster .* topic id .*; this is cluster .* topology rebase")
    assert await epochs(shop) == before, "whoever decides the right log is not fenced"
    assert await shop.levels() == {"MUG": Level(5, 0, 0)}
    report = await shop.audit()
    assert not report.findings[0].holds
    assert (
        report.findings[0]
        .examples[0]
        .startswith("inventory.commands is another topic than the one that inventory decided")
    )


async def test_a_topic_that_is_made_again_under_a_running_room_stops_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_watch, "LOG_WATCH_SECONDS", 0.1)
    await shop.receive(MUG=5)
    running = asyncio.create_task(inventory(shop).run())
    await shop.until_quiet("inventory")
    await make_again(shop)
    with pytest.raises(NeedsPersonError):
        await asyncio.wait_for(running, 30)


async def test_another_cluster_is_refused(shop: Shop) -> None:
    await shop.receive(MUG=5)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    await shop.value("UPDATE claims SET cluster_id = 'the-one-before'")
    await run_refused(shop, OtherLogError, "cluster the-one-before")


async def test_a_log_that_begins_after_our_position_is_refused(shop: Shop) -> None:
    await shop.receive(MUG=5, TIN=5, CUP=5, TEA=5)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    rows = await shop.database.fetch("SELECT partition, next_offsets[1] AS next FROM claims WHERE next_offsets[1] > 0")
    topic = INVENTORY_COMMANDS.in_namespace(shop.settings.namespace)
    ends = {TopicPartition(topic, row["partition"]): RecordsToDelete(row["next"]) for row in rows}
    await shop.value("UPDATE claims SET next_offsets = '{0}'")
    client = AIOKafkaAdminClient(bootstrap_servers=shop.settings.kafka_bootstrap)
    await client.start()
    try:
        await client.delete_records(ends)
    finally:
        await client.close()
    await run_refused(shop, LogGapError, "retention removed records before they were decided")


async def test_an_old_database_adopts_its_log_at_the_first_claim(shop: Shop) -> None:
    await shop.receive(MUG=5)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    await shop.value("UPDATE claims SET cluster_id = NULL, topic_ids = NULL, last_records = NULL")
    async with shop.running("inventory"):
        await shop.place(order(("MUG", 1)))
        await shop.until_quiet("inventory")
    rows = await shop.database.fetch("SELECT cluster_id, topic_ids FROM claims")
    assert {row["cluster_id"] for row in rows} == {shop.settings.cluster_id}
    assert {len(row["topic_ids"]) for row in rows} == {1}
    last = await shop.value(
        "SELECT max(last_records[1]) FROM claims WHERE last_records IS NOT NULL AND last_records[1] <> ''"
    )
    assert last.partition(":")[0] == "2", "after the rules' version and a receipt"
    await shop.assert_sound()


# --- a log that was moved -------------------------------------------------------------------------------------------------


async def plan(shop: Shop) -> RebasePlan:
    async with database(shop.settings) as connection, shop.log() as log:
        return await plan_rebase(connection, log)


async def test_a_log_that_was_moved_with_its_records_is_accepted(shop: Shop, environment: dict[str, str]) -> None:
    await shop.receive(MUG=5)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    await shop.value("UPDATE claims SET cluster_id = 'where-it-was', topic_ids = '{elsewhere}'")
    await run_refused(shop, OtherLogError, "topology rebase")

    compared = await lastunit(environment, "topology", "rebase")
    assert (compared.status, "3 positions have the record that was decided last" in compared.output) == (0, True)
    await run_refused(shop, OtherLogError, "topology rebase")
    accepted = await lastunit(environment, "topology", "rebase", "--yes")
    assert accepted.status == 0, accepted.errors

    async with shop.running("inventory"):
        await shop.place(order(("MUG", 1)))
        await shop.until_quiet("inventory")
    assert await shop.levels() == {"MUG": Level(5, 1, 0)}
    await shop.assert_sound()


async def test_a_log_with_another_record_before_the_position_is_not_accepted(shop: Shop) -> None:
    await shop.receive(MUG=5)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    await make_again(shop)
    await shop.receive(MUG=7)
    proposal = await plan(shop)
    assert [reason.rpartition(": ")[2] for reason in proposal.refused] == [
        "another record stands before it"
    ] * PARTITIONS
    async with database(shop.settings) as connection:
        with pytest.raises(RebaseRefusedError, match="another record stands"):
            await accept_log(connection, proposal)


async def test_a_position_without_a_digest_is_accepted_only_when_asked_for(shop: Shop) -> None:
    await shop.receive(MUG=5)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    await shop.value("UPDATE claims SET last_records = NULL, cluster_id = 'where-it-was'")
    proposal = await plan(shop)
    assert len(proposal.unverified) == PARTITIONS
    async with database(shop.settings) as connection:
        with pytest.raises(RebaseRefusedError, match="--accept-unverified"):
            await accept_log(connection, proposal)
        await accept_log(connection, proposal, unverified_too=True)
    assert await shop.value("SELECT count(*) FROM claims WHERE cluster_id = 'where-it-was'") == 0


# --- a database that went back --------------------------------------------------------------------------------------------


async def test_a_database_that_went_back_is_named_once_and_heals_by_deciding_again(shop: Shop) -> None:
    await shop.receive(MUG=50)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    async with restored(shop):
        await shop.place(*(order(("MUG", 1)) for _ in range(10)))
        async with shop.running("inventory"):
            await shop.until_quiet("inventory")
        assert await shop.levels() == {"MUG": Level(50, 10, 0)}
    assert await shop.levels() == {"MUG": Level(50, 0, 0)}

    with capture_logs() as logs:
        for _ in range(2):
            async with shop.running("inventory"):
                await shop.until_quiet("inventory")
    [named] = [log for log in logs if log["event"] == "database_went_back"]
    assert (named["position"], named["committed_to_kafka"]) == (2, 12)
    [shown] = [wait for wait in await all_that_waits(shop.settings, before_ms=2**60) if wait.axis == "database"]
    assert shown.waits_for.startswith("nobody: inventory has decided partition ")
    assert await shop.levels() == {"MUG": Level(50, 10, 0)}
    await shop.assert_sound()
    assert len(await epochs(shop)) == PARTITIONS
