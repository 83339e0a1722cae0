from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import asyncpg
import psutil
import pytest

from infra.base.settings import Settings
from infra.ops.audit import NAMES

LASTUNIT = Path(sys.executable).with_name("lastunit")
OWN = {"allocated_is_what_was_paid_for", "received_is_sold_or_available"}


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A folder with something else in it, which a demo must leave alone."""
    (tmp_path / "note").write_text("kept")
    return tmp_path


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def demo(*options: str, **environment: str) -> Process:
    return await asyncio.create_subprocess_exec(
        LASTUNIT, "demo", *options, env={**os.environ, **environment}, stdout=PIPE, stderr=PIPE
    )  # fmt: skip


async def test_a_small_demo_sells_what_is_there_and_leaves_nothing_behind(state_dir: Path) -> None:
    process = await demo("--orders", "200", "--seed", "7", "--json", LASTUNIT_STATE_DIR=str(state_dir))
    out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    figures = json.loads(out.splitlines()[-1])
    assert figures["orders"] == sum(figures["states"].values()) == 200
    assert figures["states"]["rejected"] == sum(figures["rejected_by_reason"].values()) > 0
    assert figures["oversold_units"] == 0
    assert figures["units_sold"] + figures["units_available"] == figures["units_received"]
    assert figures["flash_sale"]["sold"] <= figures["flash_sale"]["stock"] < figures["flash_sale"]["demand"]
    assert figures["invariants"] == dict.fromkeys([*OWN, *NAMES], True)
    assert 0 < figures["publish_to_final_ms"]["p50"] <= figures["publish_to_final_ms"]["p99"]
    assert {"inventory", "saga", "views", "kafka", "postgresql"} <= set(figures["cpu_us_per_order"])
    assert b"Orders with a final state: 200 of 200, done" in err
    assert names_in(state_dir) == ["note"]


@pytest.mark.release
async def test_an_interrupted_demo_leaves_nothing_behind(state_dir: Path, settings: Settings) -> None:
    """On servers that are named, so that the demo's corner there has to go too; its own Valkey runs beside them."""
    environment = {name: value for name, value in settings.environment().items() if "REDIS" not in name}
    process = await demo("--orders", "2000", **{**environment, "LASTUNIT_STATE_DIR": str(state_dir)})
    assert process.stderr is not None
    async with asyncio.timeout(180):
        while not (line := await process.stderr.readline()).startswith(b"Published"):
            assert line, "the demo ended before it published anything"
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 6

    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 130
    assert b"Stopping the demo" in err
    assert b"Traceback" not in err, err.decode()
    assert not [child for child in children if child.is_running()]
    assert await demo_databases(settings) == 0
    assert names_in(state_dir) == ["note"]


async def demo_databases(settings: Settings) -> int:
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname LIKE 'demo%'"))
    finally:
        await connection.close()


async def test_what_cannot_be_read_is_reported_before_anything_starts(state_dir: Path) -> None:
    process = await demo("--orders", "nowhere.csv", LASTUNIT_STATE_DIR=str(state_dir))
    out, err = await process.communicate()

    assert process.returncode == 1
    assert (out, err.decode().strip()) == (
        b"",
        "--orders nowhere.csv is neither a number of orders nor a CSV file that is there.",
    )
