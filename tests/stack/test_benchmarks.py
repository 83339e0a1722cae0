"""That the benchmarks run and their invariants hold; never how fast. Only with lanes that need no other packages."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.base.rooms import SYSTEM
from infra.local.stack import Stack
from tests.benchmarks.harness.options import ROOT

pytestmark = pytest.mark.release
NEEDS_HISTOGRAM = pytest.mark.skipif(
    importlib.util.find_spec("hdrh") is None, reason="hdrhistogram is only in the benchmarks' packages"
)


async def run_quickly(name: str, stack: Stack, folder: Path, *arguments: str) -> dict[str, Any]:
    """Run a benchmark with tiny sizes on the session's servers; return its last line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.benchmarks.{name}", "--quick", "--given-servers", "--folder", str(folder)),
        *arguments,
        cwd=ROOT,
        env={**os.environ, **stack.endpoints.environment()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    result: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    assert result["breaches"] == []
    assert (folder / f"{name.replace('_', '-')}.svg").read_text().startswith("<svg")
    return result


async def test_the_hot_sku_benchmark_runs_and_nothing_is_sold_twice(stack: Stack, tmp_path: Path) -> None:
    result = await run_quickly(
        "hot_sku", stack, tmp_path, "--lanes", "ours,row_lock_cte,row_lock_batched", "--orders", "6000"
    )
    assert result["figures"].keys() >= {"hot_sku_vs_row_lock", "hot_sku_vs_row_lock_batched"}
    assert sum(result["setup"]["batch_histogram"].values()) > 0
    lanes = {"ours", "row_lock_cte", "row_lock_batched"}
    assert result["setup"]["cpu_us_per_order"].keys() == result["spreads"].keys() == lanes


async def test_the_catalogue_benchmark_runs_and_nothing_is_sold_twice(stack: Stack, tmp_path: Path) -> None:
    result = await run_quickly("zipf", stack, tmp_path, "--lanes", "ours,skip_locked", "--orders", "1000")
    assert result["figures"].keys() >= {"zipf_vs_skip_locked", "uniform_vs_skip_locked", "hot_vs_uniform"}


@pytest.mark.timeout(300)
async def test_the_saga_benchmark_runs_and_money_equals_goods(stack: Stack, tmp_path: Path) -> None:
    result = await run_quickly(
        "saga", stack, tmp_path, "--lanes", "ours,asyncpg,asyncpg_batched", "--orders", "200", "--partitions", "5"
    )
    figures = result["figures"]
    assert figures.keys() >= {"saga_vs_asyncpg_hot", "saga_vs_asyncpg_uniform", "publish_to_paid_p99_ms"}
    assert {f"saga_cpu_us_per_order_{room}" for room in SYSTEM} <= figures.keys()
    assert {"ours scarce", "asyncpg scarce", "asyncpg_batched scarce"} <= result["details"].keys()
    assert "saga_20ms_vs_asyncpg_batched" in figures


async def test_the_load_benchmark_runs_and_the_books_hold(stack: Stack, tmp_path: Path) -> None:
    result = await run_quickly("load", stack, tmp_path)
    assert result["figures"].keys() >= {"idle_cpu_ms_per_s", "saga_cpu_ms_per_order_at_50", "wal_bytes_per_order_at_50"}


@NEEDS_HISTOGRAM
async def test_the_latency_benchmark_runs_and_reports_how_late_its_generator_was(stack: Stack, tmp_path: Path) -> None:
    result = await run_quickly("latency", stack, tmp_path, "--orders", "1000")
    assert result["figures"]["p99_at_8x_vs_row_lock_at_half"] > 0
    assert len(result["details"]["ours at 8x"][0]["generator_late_ms"]) == 3


@NEEDS_HISTOGRAM
async def test_the_curve_runs_and_its_books_hold(stack: Stack, tmp_path: Path) -> None:
    result = await run_quickly("curve", stack, tmp_path, "--orders", "2000", "--lanes", "ours,row_lock_batched")
    assert {"ours at 10% p99", "row_lock_batched at 120% p50"} <= result["spreads"].keys()
    assert (tmp_path / "latency-curve.svg").read_text().startswith("<svg")


async def test_the_growth_benchmark_runs_and_nothing_is_sold_twice(stack: Stack, tmp_path: Path) -> None:
    result = await run_quickly("growth", stack, tmp_path, "--orders", "1000")
    assert result["figures"]["growth_10m_vs_empty"] > 0


async def test_the_publishing_benchmark_runs_and_every_order_is_on_the_log(stack: Stack, tmp_path: Path) -> None:
    result = await run_quickly("publish", stack, tmp_path)
    assert result["figures"].keys() >= {"client_bulk_vs_hand_written", "http_vs_bare", "batch_orders_per_cpu_s"}


async def test_each_route_of_the_shop_that_is_read_answers_at_each_load(stack: Stack, tmp_path: Path) -> None:
    figures = (await run_quickly("read", stack, tmp_path, "--lanes", "routes"))["figures"]
    assert figures.keys() >= {
        "home_cpu_us",
        "me_suggestions_json_p50_ms_at_20_per_s",
        "search_page_p99_ms_at_100_per_s",
    }
    assert len(figures) == 15 * (1 + 2 * 2)
