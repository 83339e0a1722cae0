"""What the command lines of the benchmarks have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.stack import run_until_interrupted
from tests.benchmarks.harness.against import compare_checkouts
from tests.benchmarks.harness.options import read_options
from tests.benchmarks.harness.report import Report, emit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.benchmarks.harness.against import compare_checkouts
from tests.benchmarks.harness.options import Options


def run_benchmark(
    run: Callable[[Options, Report], Awaitable[None]],
    *,
    name: str,
    title: str,
    unit: str,
    orders: int,
    quick_orders: int = 2_000,
) -> int:
    """Be the program `make bench-<name>`: read the command line, `run`, print the result, return the exit code."""
    options = read_options(name, title, orders=orders, quick_orders=quick_orders)
    if options.against:
        return compare_checkouts(name, options)

    async def main() -> int:
        report = Report(name=name, title=title, unit=unit, rounds=options.rounds)
        await run(options, report)
        return emit(report, options.folder)

    return run_until_interrupted(main())
