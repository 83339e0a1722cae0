"""That the benchmarks run and their invariants hold; never how fast."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.benchmarks.harness.options import ROOT

pytestmark = pytest.mark.stack


async def test_the_hot_sku_benchmark_runs_and_nothing_is_sold_twice(tmp_path: Path) -> None:
    arguments = ["--quick", "--orders", "1500", "--lanes", "ours,row_lock_cte", "--folder", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.hot_sku", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await process.communicate()
    assert process.returncode == 0, said.decode()

    result = json.loads(out.decode().splitlines()[-1])
    assert result["breaches"] == []
    assert result["figures"]["hot_sku_vs_row_lock"] > 0
    assert sum(result["setup"]["batch_histogram"].values()) > 0
    assert set(result["spreads"]) == {"ours", "row_lock_cte"}
    assert (tmp_path / "hot-sku.svg").read_text().startswith("<svg")
