from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from infra.base.errors import ProcessFailedError
from infra.base.exits import NEEDS_A_PERSON, START_AGAIN
from infra.local import supervised
from infra.local.supervised import SupervisedProcess, pause_seconds
from tests.harness.waiting import until

FOREVER = ["sleep", "600"]


class Stage:
    """Starts processes, and notes what is said about them."""

    def __init__(self, folder: Path, ending: AsyncExitStack) -> None:
        self.reported: list[str] = []
        self.failures: list[ProcessFailedError] = []
        self._folder = folder
        self._ending = ending

    async def start(self, *command: str) -> SupervisedProcess:
        process = SupervisedProcess(
            "orders",
            command,
            os.environ,
            self._folder / "orders.log",
            report=self.reported.append,
            on_failure=self.failures.append,
        )
        self._ending.push_async_callback(process.kill)
        await process.start()
        return process


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as ending:
        yield Stage(tmp_path, ending)


def pid_of(process: SupervisedProcess) -> int:
    assert process.pid is not None
    return process.pid


async def test_what_ends_by_itself_is_started_again_and_that_is_reported(stage: Stage) -> None:
    process = await stage.start(*FOREVER)
    first = pid_of(process)

    os.kill(first, signal.SIGKILL)
    await until(lambda: process.restarts == 1)

    assert pid_of(process) != first
    assert stage.reported == ["orders ended with signal 9; starting it again in 0.2 s"]


async def test_what_was_killed_on_purpose_stays_down_until_it_is_started(stage: Stage) -> None:
    process = await stage.start(*FOREVER)

    await process.kill()
    assert process._watch is not None
    assert process._watch.done(), "nobody is left who could start it again"
    assert process.pid is None

    await process.start()
    assert psutil.pid_exists(pid_of(process))
    assert (process.restarts, stage.reported) == (0, [])


async def test_what_exits_because_it_needs_a_person_is_not_started_again(stage: Stage) -> None:
    process = await stage.start("sh", "-c", f"echo set the address; exit {NEEDS_A_PERSON}")

    await until(lambda: stage.failures)

    assert process.restarts == 0
    assert "orders ended with exit status 78" in str(stage.failures[0])
    assert "set the address" in str(stage.failures[0])


async def test_what_does_not_stay_up_is_started_again_for_as_long_as_it_takes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is full or read-only ends every life within seconds, and is mended after an hour."""
    monkeypatch.setattr(supervised, "FIRST_PAUSE_SECONDS", 0.0)
    process = await stage.start("sh", "-c", f"exit {START_AGAIN}")

    await until(lambda: process.restarts >= 20)

    assert stage.failures == []


async def test_a_stop_ends_the_wait_for_the_next_life(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "FIRST_PAUSE_SECONDS", 60.0)
    monkeypatch.setattr(supervised, "LONGEST_PAUSE_SECONDS", 60.0)
    process = await stage.start("false")
    await until(lambda: stage.reported)

    async with asyncio.timeout(5):
        await process.stop()

    assert process.pid is None
    assert process.restarts == 0


async def test_a_paused_process_stands_still_and_can_still_be_stopped(stage: Stage) -> None:
    process = await stage.start(*FOREVER)
    alive = psutil.Process(pid_of(process))

    process.pause()
    await until(lambda: alive.status() == psutil.STATUS_STOPPED)
    process.resume()
    await until(lambda: alive.status() == psutil.STATUS_SLEEPING)
    process.pause()

    async with asyncio.timeout(5):
        await process.stop()
    assert process.pid is None


async def test_cpu_time_is_that_of_all_lives(stage: Stage) -> None:
    process = await stage.start(sys.executable, "-c", "while True: pass")
    await until(lambda: process.cpu_seconds() > 0.1)
    await process.kill()
    before = process.cpu_seconds()
    assert before > 0.1

    await process.start()
    await until(lambda: process.cpu_seconds() > before + 0.05)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.2), (2, 0.4), (3, 0.8), (6, 6.4), (7, 10.0), (1000, 10.0)])
def test_pauses_grow_up_to_a_limit(failures: int, seconds: float) -> None:
    assert pause_seconds(failures) == pytest.approx(seconds)
