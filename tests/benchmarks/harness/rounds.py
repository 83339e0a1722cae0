"""Rounds: in each, every lane has its turn, so that what slows the machine for a while slows all of them."""

from __future__ import annotations

import sys
from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from tests.benchmarks.harness.spread import paired, spread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from tests.benchmarks.harness.baseline import Baseline, Tunable
    from tests.benchmarks.harness.report import Report
    from tests.benchmarks.harness.trial import Trial

CHOICES: Final[Mapping[Tunable, Sequence[int]]] = {
    "connections": (4, 8, 16, 32),
    "together": (500, 1_000, 2_000),
    "processes": (1, 2, 4),
    "relay_pause_ms": (0, 5, 20),
}
"""What is tried of each setting."""


async def alternate(rounds: int, turns: Mapping[str, Callable[[], Awaitable[Trial]]]) -> dict[str, list[Trial]]:
    """Give each turn one trial a round; every second round in the opposite order."""
    trials: dict[str, list[Trial]] = {name: [] for name in turns}
    for number in range(rounds):
        names = list(turns) if number % 2 == 0 else list(turns)[::-1]
        for name in names:
            trial = await turns[name]()
            trials[name].append(trial)
            say(
                f"round {number + 1} of {rounds}: {name}: {trial.orders_per_s:,.0f}/s over {trial.orders:,} orders"
                f" in {trial.seconds:.1f} s, us of CPU an order: {trial.cpu_us_per_order}"
            )
            for breach in trial.breaches:
                say(f"BREACH: {breach}")
    return trials


class Rated(Protocol):
    """Whatever tells a rate."""

    @property
    def orders_per_s(self) -> float:
        """Orders a second."""
        ...


async def tune(
    lane: Baseline,
    trial: Callable[[], Awaitable[Rated]],
    setting: Tunable = "connections",
    choices: Sequence[int] = CHOICES["connections"],
) -> dict[str, float]:
    """Find the value of a setting with which a baseline is fastest, and let it keep that; return all rates."""
    by_choice: dict[int, float] = {}
    for choice in choices:
        setattr(lane, setting, choice)
        by_choice[choice] = (await trial()).orders_per_s
        say(f"{lane.name} with {setting} {choice}: {by_choice[choice]:,.0f}/s")
    setattr(lane, setting, max(by_choice, key=by_choice.__getitem__))
    return {str(choice): round(rate, 1) for choice, rate in by_choice.items()}


def note(report: Report, trials: Mapping[str, list[Trial]]) -> None:
    """Put rates, costs, details and breaches of all trials into the report."""
    for name, of_lane in trials.items():
        report.spreads[name] = spread([trial.orders_per_s for trial in of_lane])
        report.details[name] = [msgspec.to_builtins(trial) for trial in of_lane]
        report.breaches += [f"{name}: {breach}" for trial in of_lane for breach in trial.breaches]
    report.setup["cpu_us_per_order"] = {name: _middle_cpu(of_lane) for name, of_lane in trials.items()}
    report.setup["wal_bytes_per_order"] = {
        name: median(trial.wal_bytes_per_order for trial in of_lane) for name, of_lane in trials.items()
    }
    if histogram := batch_histogram(trial for of_lane in trials.values() for trial in of_lane):
        report.setup["batch_histogram"] = histogram


def compare(
    report: Report, trials: Mapping[str, list[Trial]], own: str, others: Mapping[str, str], bars: Mapping[str, float]
) -> None:
    """Note how many times as fast as others one turn was, in the same rounds; `others` are figure -> turn."""
    for figure, turn in others.items():
        if own in trials and turn in trials:
            report.ratio(figure, paired(rates(trials, own), rates(trials, turn)), bars.get(figure))
            report.remarks[turn] = f"{own}: {report.figures[figure]:.3g} \N{MULTIPLICATION SIGN}"


def batch_histogram(trials: Iterable[Trial]) -> dict[str, int]:
    """Return upper bound of a batch's size -> how many batches, over all trials that could tell."""
    together: Counter[str] = Counter()
    for trial in trials:
        together.update(trial.batches)
    return dict(together)


def rates(trials: Mapping[str, list[Trial]], name: str) -> list[float]:
    """Return a lane's rates, one a round."""
    return [trial.orders_per_s for trial in trials[name]]


def say(line: str) -> None:
    """Tell how it goes; standard output is for the result."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _middle_cpu(trials: list[Trial]) -> dict[str, float]:
    processes = {process for trial in trials for process in trial.cpu_us_per_order}
    return {
        process: median(trial.cpu_us_per_order.get(process, 0.0) for trial in trials) for process in sorted(processes)
    }
