from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from infra.base.errors import InfraError
from infra.base.rooms import SYSTEM
from infra.base.settings import load_settings
from infra.local.supervisor import PROCESSOR, Supervisor
from tests.harness.waiting import until


@pytest_asyncio.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    async with Supervisor(load_settings(state_dir=tmp_path)) as supervisor:
        yield supervisor


async def answers(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/health") as answer:
        return answer.status == 200


async def test_the_processor_listens_once_it_is_started(supervisor: Supervisor) -> None:
    await supervisor.start(PROCESSOR)

    assert await answers(supervisor.processor_url)
    assert supervisor.started == (PROCESSOR,)


async def test_a_killed_processor_comes_back_where_its_clients_know_it(supervisor: Supervisor) -> None:
    await supervisor.start(PROCESSOR)
    first = supervisor.pid(PROCESSOR)
    assert first is not None

    os.kill(first, signal.SIGKILL)

    async def answers_again() -> bool:
        try:
            return await answers(supervisor.processor_url)
        except aiohttp.ClientError:
            return False

    await until(answers_again)
    assert supervisor.restarts(PROCESSOR) == 1
    assert supervisor.pid(PROCESSOR) != first


async def test_stopping_all_leaves_nothing_running(supervisor: Supervisor) -> None:
    await supervisor.start(PROCESSOR)

    await supervisor.stop_all()

    assert supervisor.pid(PROCESSOR) is None
    assert supervisor.cpu_seconds()[PROCESSOR] >= 0


async def test_a_processor_that_the_settings_name_is_not_run_here(tmp_path: Path) -> None:
    supervisor = Supervisor(load_settings(state_dir=tmp_path, processor_url="http://cards.example"))

    assert supervisor.whole_system == SYSTEM
    assert supervisor.settings.environment()["LASTUNIT_PROCESSOR_URL"] == "http://cards.example"
    with pytest.raises(InfraError, match="no process processor here"):
        await supervisor.start(PROCESSOR)


@pytest.mark.parametrize("name", ["kitchen", "orders-two", "inventory-", "processor-2"])
async def test_an_unknown_process_is_refused_by_name(supervisor: Supervisor, name: str) -> None:
    with pytest.raises(InfraError, match=f"There is no process {name} here"):
        await supervisor.start(name)


async def test_what_was_not_started_cannot_be_killed(supervisor: Supervisor) -> None:
    with pytest.raises(InfraError, match="No process orders-2 was started here; started: none"):
        await supervisor.kill("orders-2")
