"""A short run of `make chaos-shoppers`: that it runs, that it kills, and that each click is one order."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.base.settings import Settings
from tests.chaos.shoppers import Plan, run

SHOPPERS = 40


@pytest.mark.release
@pytest.mark.timeout(500)
async def test_each_click_is_one_order_at_what_it_showed_though_every_process_is_killed(
    settings: Settings, tmp_path: Path
) -> None:
    plan = Plan(shoppers=SHOPPERS, seed=20_261, at_a_time=8, kill_pause_seconds=(5, 12))
    result = await run(plan, settings.model_copy(update={"partitions": 3}), tmp_path, lambda _: None)
    assert result.breaches == []
    assert sum(result.ends.values()) == SHOPPERS
    assert result.ends["paid"] > SHOPPERS // 2
