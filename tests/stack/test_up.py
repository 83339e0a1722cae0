from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest_asyncio

from infra.base.connections import kafka_publisher
from infra.base.endpoints import running_stack
from infra.base.migrate import migrate
from infra.base.readiness import read_readiness
from infra.base.settings import Settings, load_settings
from producers.clients.orders import OrderClient, OrderLine, OrderRequest
from producers.clients.stock import Receipt, StockClient
from tests.harness.waiting import until
from topology import admin
from topology.topics import ORDER_EVENTS

LASTUNIT = Path(sys.executable).with_name("lastunit")
SMALL_AND_QUICK = {"LASTUNIT_KAFKA_HEAP_MB": "512", "LASTUNIT_SESSION_TIMEOUT_MS": "2000"}


async def lastunit(state_dir: Path, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        LASTUNIT, *arguments,
        env={**os.environ, "LASTUNIT_STATE_DIR": str(state_dir), **SMALL_AND_QUICK},
        stdout=PIPE, stderr=PIPE,
    )  # fmt: skip


async def line_with(process: Process, text: str) -> str:
    """Read the process's standard output until a line has this text; return everything up to it."""
    assert process.stdout is not None
    output = ""
    async with asyncio.timeout(180):
        while text not in output:
            line = await process.stdout.readline()
            assert line, output
            output += line.decode()
    return output


@pytest_asyncio.fixture
async def up(tmp_path: Path) -> AsyncIterator[Process]:
    process = await lastunit(tmp_path, "up")
    try:
        await line_with(process, "order place")
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def state_of(settings: Settings, order: OrderRequest) -> str:
    """Place the order and return its final state."""
    async with kafka_publisher(settings) as publisher:
        await OrderClient(publisher).place([order])
    stack = running_stack(settings)
    assert stack is not None
    connection = await asyncpg.connect(stack.postgres_dsn)
    try:
        final = "SELECT state FROM orders WHERE order_id = $1 AND state IN ('paid', 'rejected', 'cancelled')"
        return str(await until(lambda: connection.fetchval(final, order.order_id)))
    finally:
        await connection.close()


def order(quantity: int = 1) -> OrderRequest:
    return OrderRequest(lines=(OrderLine("MUG", quantity, 700),), customer_id="somebody")


def room_process(up: Process, room: str) -> psutil.Process:
    children = psutil.Process(up.pid).children()
    return next(child for child in children if command_of(child)[-2:] == ["infra.local.room_process", room])


def command_of(process: psutil.Process) -> list[str]:
    """Return a process's command line; one that was just killed has none any more."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # a zombie is one too
        return []


async def test_a_system_that_is_up_sells_survives_a_crash_and_goes_down(up: Process, tmp_path: Path) -> None:
    settings = load_settings(state_dir=tmp_path)
    async with kafka_publisher(settings) as publisher:
        await StockClient(publisher).receive([Receipt(sku="MUG", quantity=2)])
    assert await state_of(settings, order()) == "paid"

    second = await lastunit(tmp_path, "up")
    _, err = await second.communicate()
    assert second.returncode == 1
    assert b"already running" in err

    room_process(up, "inventory").send_signal(signal.SIGKILL)
    room_process(up, "saga").send_signal(signal.SIGKILL)
    assert await state_of(settings, order()) == "paid"
    assert await state_of(settings, order()) == "rejected"

    children = psutil.Process(up.pid).children(recursive=True)
    down = await lastunit(tmp_path, "down")
    out, _ = await down.communicate()
    assert (down.returncode, out.decode()) == (0, f"Stopped process {up.pid}; its data stays.\n")
    _, err = await asyncio.wait_for(up.communicate(), 10)
    assert up.returncode == 0
    assert "inventory ended with signal 9; starting it again" in err.decode()
    assert "Traceback" not in err.decode()
    assert not [child for child in children if child.is_running()]

    again = await lastunit(tmp_path, "down")
    assert (await again.communicate())[0] == b"Nothing was running here.\n"


async def test_a_room_without_servers_names_what_to_do(tmp_path: Path) -> None:
    room = await lastunit(tmp_path, "room", "inventory")
    _, err = await room.communicate()

    assert room.returncode == 78
    assert b"`lastunit up`, or name LASTUNIT_KAFKA_BOOTSTRAP, LASTUNIT_POSTGRES_DSN." in err


async def test_a_room_waits_for_topics_and_tables_shows_that_and_stops_when_asked(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= {"LASTUNIT_READINESS_DIR": str(tmp_path), "LASTUNIT_PARTITIONS": "3"}
    room = await orders_room(environment)
    assert "lastunit topology apply" in (await logged(room, "waits"))["reason"]
    await admin.apply(
        settings.kafka_bootstrap or "",
        namespace=settings.namespace,
        partitions=3,
        expected_cluster_id=settings.cluster_id,
    )
    assert (await logged(room, "waits"))["obstacle"] == "tables"
    [shown] = read_readiness(tmp_path)
    assert (shown.process, shown.ready, set(shown.obstacles)) == ("orders", False, {"start", "tables"})
    await migrate(settings.postgres_dsn or "")
    await logged(room, "claimed")
    await until(lambda: read_readiness(tmp_path)[0].ready)
    assert read_readiness(tmp_path)[0].is_alive
    room.terminate()
    _, err = await asyncio.wait_for(room.communicate(), 20)
    assert room.returncode == 0, err.decode()
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert "room_stops" in events
    assert events[-1] == "room_ended"
    assert read_readiness(tmp_path) == []


async def test_a_room_that_waits_for_its_servers_stops_when_asked(environment: dict[str, str], tmp_path: Path) -> None:
    environment |= {"LASTUNIT_READINESS_DIR": str(tmp_path), "LASTUNIT_KAFKA_BOOTSTRAP": "127.0.0.1:9"}
    room = await orders_room(environment)
    assert (await logged(room, "server_unavailable"))["server"] == "Kafka"
    room.terminate()
    await asyncio.wait_for(room.communicate(), 20)
    assert room.returncode == 0


async def test_a_room_whose_topics_lack_partitions_needs_a_person(
    settings: Settings, environment: dict[str, str]
) -> None:
    bootstrap, cluster_id = settings.kafka_bootstrap or "", settings.cluster_id or ""
    await admin.apply(bootstrap, namespace=settings.namespace, partitions=3, expected_cluster_id=cluster_id)
    await migrate(settings.postgres_dsn or "")
    events = ORDER_EVENTS.in_namespace(settings.namespace)
    await admin.add_partitions(bootstrap, events, 4, expected_cluster_id=cluster_id)
    room = await orders_room(environment)
    _, err = await asyncio.wait_for(room.communicate(), 30)
    assert room.returncode == 78, err.decode()
    reason = json.loads(err.splitlines()[-1])["error"]
    assert f"--alter --topic {settings.namespace}order.commands --partitions 4" in reason


async def logged(room: Process, event: str) -> dict[str, Any]:
    """Read the room's log up to its next line of this name."""
    assert room.stderr is not None
    async with asyncio.timeout(30):
        while True:
            line: dict[str, Any] = json.loads(await room.stderr.readline())
            if line["event"] == event:
                return line


async def orders_room(environment: dict[str, str]) -> Process:
    environment |= {"LASTUNIT_LOG_FORMAT": "json", "LASTUNIT_PROCESSOR_URL": "http://127.0.0.1:9"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.local.room_process", "orders", env=environment, stderr=PIPE
    )
