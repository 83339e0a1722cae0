"""Each program of docs/clients places an order from another language and follows it to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from infra.base.settings import Settings
from schemas.codec.wire import decode
from schemas.ids import is_order_id
from schemas.messages import PlaceOrderLine
from tests.harness.api import serving_api, with_views
from tests.harness.foreign_programs import KAFKA_PROGRAMS, ROOT, c, curl, librdkafka_in_python
from tests.harness.shop import PARTITIONS, Shop, in_miniature, open_shop
from topology.partitioner import partition_of
from topology.topics import INVENTORY_COMMANDS

pytestmark = pytest.mark.release
PATIENCE_SECONDS = 90.0


class Output(NamedTuple):
    """What a program printed: the order's id, the names of its events."""

    status: int | None
    order_id: str
    events: list[str]


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path / "shop") as opened:
        yield opened


async def run(command: list[str], shop: Shop, **variables: str) -> Output:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={
            **os.environ,
            "LASTUNIT_KAFKA_BOOTSTRAP": shop.settings.kafka_bootstrap or "",
            "LASTUNIT_NAMESPACE": shop.settings.namespace,
            "LASTUNIT_SCHEMAS": str(ROOT / "schemas"),
            **variables,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = [line.split()[:2] for line in output.decode().splitlines()]
    assert lines, errors.decode()
    assert lines[0][0] == "order", (output.decode(), errors.decode())
    return Output(process.returncode, lines[0][1], [line[0] for line in lines[1:]])


async def placed(shop: Shop, order_id: str) -> list[tuple[int, PlaceOrderLine]]:
    """Return where the order's lines are, and what they are."""
    records = [(each.partition, decode(each.value)) for each in await shop.records(INVENTORY_COMMANDS)]
    lines = [(partition, line) for partition, line in records if isinstance(line, PlaceOrderLine)]
    return sorted((each for each in lines if each[1].order_id == order_id), key=lambda each: each[1].line)


@pytest.mark.parametrize("language", KAFKA_PROGRAMS)
async def test_it_places_an_order_that_is_paid_and_one_that_is_refused(
    language: str, shop: Shop, tmp_path: Path
) -> None:
    (tmp_path / "program").mkdir()
    command = await asyncio.to_thread(KAFKA_PROGRAMS[language], tmp_path / "program")
    await shop.receive(MUG=2, TEA=2)
    async with shop.running():
        output = await run(command, shop)
        lines = await placed(shop, output.order_id)
        another = await run(command, shop)
    assert (another.status, another.events[-1]) == (1, "OrderRejected")
    assert (output.status, is_order_id(output.order_id), output.events[-1]) == (0, True, "OrderPaid")
    assert output.events.count("LineReserved") == 3
    assert [(line.sku, line.quantity, line.demand, line.line_count) for _, line in lines] == [
        ("MUG", 1, 2, 3),
        ("TEA", 2, 2, 3),
        ("MUG", 1, 1, 3),
    ]
    assert [partition for partition, _ in lines] == [partition_of(line.sku.encode(), PARTITIONS) for _, line in lines]


@pytest.mark.parametrize("program", [c, librdkafka_in_python])
async def test_with_librdkafkas_default_lines_are_elsewhere(
    program: Callable[[Path], list[str]], shop: Shop, tmp_path: Path
) -> None:
    """What the programs name a partitioner for."""
    (tmp_path / "program").mkdir()
    command = await asyncio.to_thread(program, tmp_path / "program")
    running = asyncio.create_task(run(command, shop, PARTITIONER="consistent_random"))

    async def places() -> list[tuple[int, str]] | None:
        keys = [(each.partition, (each.key or b"").decode()) for each in await shop.records(INVENTORY_COMMANDS)]
        lines = [(partition, sku) for partition, sku in keys if sku in {"MUG", "TEA"}]
        return lines if len(lines) == 3 else None

    lines = await shop.until(places)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert all(partition != partition_of(sku.encode(), PARTITIONS) for partition, sku in lines)


async def test_curl_places_an_order_over_http(shop: Shop, tmp_path: Path) -> None:
    command = curl(tmp_path)
    await shop.receive(MUG=2, TEA=2)
    async with with_views(shop), serving_api(shop.settings) as (process, _):
        output = await run(command, shop, API=process.address)
    assert (output.status, is_order_id(output.order_id), output.events[-1]) == (0, True, "OrderPaid")
