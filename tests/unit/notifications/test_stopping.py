"""A deliverer stops when it is asked to, whatever comes in that very moment."""

from __future__ import annotations

import asyncio

import pytest

from consumers.notifications.delivery import Deliverer
from consumers.runtime.background import BackgroundTasks
from consumers.runtime.postgres.database import Database
from tests.harness.waiting import one_turn, until

UNREACHABLE = Database("postgresql://nobody@127.0.0.1:9/nothing", "webhooks")
"""Nothing is due where no partition is claimed, so nobody connects."""


@pytest.mark.parametrize("turns", range(6))
async def test_a_stop_that_comes_with_a_wake_is_not_forgotten(turns: int) -> None:
    """Python 3.11's wait_for forgets it two turns of the loop after the wake: the owner then never ended."""
    deliverer = Deliverer(UNREACHABLE)
    deliverer.start(BackgroundTasks(lambda _: None))
    await until(lambda: deliverer._woken._waiters)
    deliverer.wake()
    for _ in range(turns):
        await one_turn()
    async with asyncio.timeout(5):
        await deliverer.close()
