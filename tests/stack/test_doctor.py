"""The doctor of a system that is well, and of the same system with what it is there to find."""

from __future__ import annotations

from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from consumers.runtime.deciding.decision import outgoing
from infra.base.settings import Settings
from infra.ops.doctor.examination import examine
from infra.ops.doctor.findings import Finding
from producers.publisher import Outgoing
from schemas.messages import ReceiveStock
from tests.harness.shop import PARTITIONS, in_miniature, open_shop, order
from topology.partitioner import partition_of
from topology.topics import INVENTORY_COMMANDS, STOCK_LEVELS

ORDERS = 3


def misrouted() -> list[Outgoing]:
    """Return receipts of SKUs that belong in other partitions than 1."""
    receipts = [outgoing(ReceiveStock(f"receipt-{number}", f"SKU-{number}", 1)) for number in range(9)]
    return [record for record in receipts if partition_of(record.key or b"", PARTITIONS) != 1]


async def findings_of(settings: Settings) -> list[Finding]:
    return [
        finding for check in await examine(settings) for finding in check.findings if "are free" not in finding.what
    ]


async def test_a_system_that_is_well_has_no_findings_and_what_is_broken_is_named(
    settings: Settings, tmp_path: Path
) -> None:
    async with open_shop(in_miniature(settings, state_dir=tmp_path), tmp_path) as shop:
        await shop.receive(MUG=9)
        await shop.place(*(order(("MUG", 1)) for _ in range(ORDERS)))
        async with shop.running("inventory"):
            await shop.until_quiet("inventory")
        assert await findings_of(shop.settings) == []

        levels = STOCK_LEVELS.in_namespace(shop.settings.namespace)
        admin = AIOKafkaAdminClient(bootstrap_servers=shop.settings.kafka_bootstrap)
        await admin.start()
        try:
            change = ConfigResource(ConfigResourceType.TOPIC, levels, configs={"message.timestamp.type": "CreateTime"})
            await admin.alter_configs([change])
        finally:
            await admin.close()
        name = (shop.settings.postgres_dsn or "").rpartition("/")[2]
        await shop.database.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        stranger = AIOKafkaConsumer(
            INVENTORY_COMMANDS.in_namespace(shop.settings.namespace),
            bootstrap_servers=shop.settings.kafka_bootstrap,
            group_id=f"{shop.settings.namespace}inventory",
            client_id="somebody",
        )
        await stranger.start()
        try:
            await shop.publisher.publish([msgspec.structs.replace(record, partition=1) for record in misrouted()])
            what = "\n".join(finding.what for finding in await findings_of(shop.settings))
        finally:
            await stranger.stop()
        assert f"{levels} has message.timestamp.type=CreateTime" in what
        assert "synchronous_commit = off" in what
        assert "client id somebody" in what
        assert f"of the newest records of inventory.commands {len(misrouted())} stand in partitions" in what


async def test_a_server_that_is_away_is_a_finding_and_the_other_checks_go_on(
    settings: Settings, tmp_path: Path
) -> None:
    away = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1", "state_dir": tmp_path})
    checks = {check.name: check.findings for check in await examine(away)}
    assert checks["commits survive a power cut"] == []
    assert "cannot be checked" in checks["producers partition by murmur2"][0].what
