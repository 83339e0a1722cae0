"""A short run of `make chaos-saga`: that it runs, that it kills, and that it would notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.base.settings import Settings
from tests.chaos.plan import Plan
from tests.chaos.run import run

SEED = 20_261
ORDERS = 150


@pytest.mark.release
@pytest.mark.timeout(400)
@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
async def test_orders_come_to_their_ends_and_books_balance_though_every_process_is_killed(
    settings: Settings, tmp_path: Path, *, apart: bool
) -> None:
    plan = Plan(orders=ORDERS, seed=SEED, orders_per_second=15, kill_pause_seconds=(3, 9), apart=apart)
    few = settings.model_copy(update={"partitions": 3})
    result = await run(plan, few, tmp_path, lambda _: None)
    assert result.breaches == []
    assert sum(result.states.values()) == ORDERS
    assert set(result.kills) == set(plan.killed)
    assert result.money_minor["ours"]["refunded"] > 0
