"""`make chaos-saga`: thousands of orders while every process is killed every few seconds; then all books must balance.

It prints progress, then one line of JSON. The exit status is 1 where anything is not as it must be.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
from pathlib import Path
from typing import Final

import msgspec

from infra.local.stack import run_until_interrupted
from tests.benchmarks.harness.options import ROOT, Options
from tests.benchmarks.harness.servers import running_servers
from tests.chaos.plan import Plan
from tests.chaos.run import run

FOLDER: Final = ROOT / ".lastunit" / "chaos"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  it is a program


def _read_arguments() -> tuple[Plan, Path]:
    plan = Plan()
    parser = argparse.ArgumentParser(prog="make chaos-saga", description="The whole saga while everything is killed")
    parser.add_argument("--orders", type=int, default=plan.orders, help=f"how many (default {plan.orders:,})")
    parser.add_argument("--seed", type=int, help="draws orders, fates, faults and kills (default: one that is printed)")
    parser.add_argument("--rate", type=float, default=plan.orders_per_second, help="orders a second (default 25)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where servers, logs and the result are kept")
    parser.add_argument("--apart", action="store_true", help="each room in a process of its own")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    plan = Plan(orders=given.orders, seed=seed, orders_per_second=given.rate, apart=given.apart)
    return plan, given.folder.absolute()


async def main() -> int:
    """Be the program."""
    plan, folder = _read_arguments()
    _say(f"seed {plan.seed}: {plan.orders:,} orders, {plan.orders_per_second:g} a second")
    shutil.rmtree(folder / "system", ignore_errors=True)
    async with running_servers(Options(folder=folder)) as servers:
        settings = await servers.shop("chaos")
        result = await run(plan, settings, folder / "system", _say)
    line = msgspec.json.encode(result, order="deterministic").decode()
    (folder / "chaos-saga.json").write_text(line + "\n", encoding="utf-8")
    for breach in result.breaches:
        _say(f"BREACH: {breach}")
    print(line, flush=True)  # noqa: T201  it is a program
    return 1 if result.breaches else 0


if __name__ == "__main__":
    raise SystemExit(run_until_interrupted(main()))
