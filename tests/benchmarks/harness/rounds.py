"""Rounds: in each, every lane has its turn, so that what slows the machine for a while slows all of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import msgspec

from tests.benchmarks.harness.spread import spread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.benchmarks.harness.baseline import Baseline
    from tests.benchmarks.harness.report import Report
    from tests.benchmarks.harness.trial import Trial

CONNECTIONS: Final = (4, 8, 16, 32)


async def alternate(rounds: int, turns: Mapping[str, Callable[[], Awaitable[Trial]]]) -> dict[str, list[Trial]]:
    """Give each turn one trial a round; every second round in the opposite order."""
    found: dict[str, list[Trial]] = {name: [] for name in turns}
    for number in range(rounds):
        names = list(turns) if number % 2 == 0 else list(turns)[::-1]
        for name in names:
            trial = await turns[name]()
            found[name].append(trial)
            say(
                f"round {number + 1} of {rounds}: {name}: {trial.orders_per_s:,.0f}/s over {trial.orders:,} orders,"
                f" us of CPU an order: {trial.cpu_us_per_order}"
            )
    return found


async def tune(lane: Baseline, trial: Callable[[], Awaitable[Trial]]) -> dict[str, float]:
    """Find the number of connections with which a baseline is fastest, and let it use that; return all rates."""
    found: dict[int, float] = {}
    for connections in CONNECTIONS:
        lane.connections = connections
        found[connections] = (await trial()).orders_per_s
        say(f"{lane.name} with {connections} connections: {found[connections]:,.0f}/s")
    lane.connections = max(found, key=found.__getitem__)
    return {str(connections): rate for connections, rate in found.items()}


def note(report: Report, trials: Mapping[str, list[Trial]]) -> None:
    """Put rates, details and breaches of all trials into the report."""
    for name, of_lane in trials.items():
        report.spreads[name] = spread([trial.orders_per_s for trial in of_lane])
        report.details[name] = [msgspec.to_builtins(trial) for trial in of_lane]
        report.breaches += [f"{name}: {breach}" for trial in of_lane for breach in trial.breaches]


def rates(trials: Mapping[str, list[Trial]], name: str) -> list[float]:
    """Return a lane's rates, one a round."""
    return [trial.orders_per_s for trial in trials[name]]


def say(line: str) -> None:
    """Tell how it goes; standard output is for the result."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
