"""The result of a benchmark: figures, bars, setup; as JSON on the last line, as a file, and as a plot beside it."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from tests.benchmarks.harness.plot import Row, plot

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.benchmarks.harness.spread import Spread


class Bar(msgspec.Struct, frozen=True):
    """A figure held against what was promised of it."""

    value: float
    bar: float
    holds: bool


def at_least(value: float, bar: float) -> Bar:
    """Hold a figure to a lower bound."""
    return Bar(_rounded(value), bar, holds=value >= bar)


def at_most(value: float, bar: float) -> Bar:
    """Hold a figure to an upper bound."""
    return Bar(_rounded(value), bar, holds=value <= bar)


class Report(msgspec.Struct, kw_only=True):
    """What a benchmark says. `spreads` (lane -> spread over the rounds) become the plot, `remarks` stand beside them."""

    name: str
    title: str
    unit: str
    rounds: int
    figures: dict[str, float] = {}
    bars: dict[str, Bar] = {}
    spreads: dict[str, Spread] = {}
    ratios: dict[str, Spread] = {}
    remarks: dict[str, str] = {}
    details: dict[str, Any] = {}
    breaches: list[str] = []
    skipped: dict[str, str] = {}
    setup: dict[str, Any] = {}

    def figure(self, name: str, value: float) -> None:
        """Note a figure."""
        self.figures[name] = _rounded(value)

    def ratio(self, name: str, over_rounds: Spread, bar: float | None = None) -> None:
        """Note a paired ratio; its median is the figure."""
        self.ratios[name] = over_rounds
        self.figure(name, over_rounds.median)
        if bar is not None:
            self.bars[name] = at_least(over_rounds.median, bar)


def emit(report: Report, folder: Path) -> int:
    """Write the plot and the JSON, print a table for people and the JSON as the last line; return the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        Row(lane, spread.min, spread.median, spread.max, report.remarks.get(lane, ""))
        for lane, spread in report.spreads.items()
    ]
    picture = folder / f"{report.name}.svg"
    picture.write_text(plot(report.title, report.unit, rows), encoding="utf-8")
    _print_table(report)
    line = msgspec.json.encode(_without_noise(report), order="deterministic").decode()
    (folder / f"{report.name}.json").write_text(line + "\n", encoding="utf-8")
    print(f"Plot: {picture.name}, JSON: {report.name}.json, both in the benchmarks' folder", file=sys.stderr)
    print(line, flush=True)
    return 1 if report.breaches else 0


def _print_table(report: Report) -> None:
    say: Mapping[str, str] = {
        lane: " ".join(f"{value:>12}" for value in map(_for_people, (spread.min, spread.median, spread.max)))
        for lane, spread in report.spreads.items()
    }
    width = max(map(len, say), default=4)
    print(f"\n{report.title} ({report.unit}; {report.rounds} rounds)", file=sys.stderr)
    print(f"{'':{width}} {'min':>12} {'median':>12} {'max':>12}", file=sys.stderr)
    for lane, numbers in say.items():
        print(f"{lane:{width}} {numbers}", file=sys.stderr)
    for lane, reason in report.skipped.items():
        print(f"{lane:{width}} skipped: {reason}", file=sys.stderr)
    for lane, lacks in report.setup.get("does_not", {}).items():
        print(f"{lane} does not have what ours has: {lacks}", file=sys.stderr)
    for name, bar in report.bars.items():
        verdict = "holds" if bar.holds else "MISSED"
        print(f"bar {name}: {bar.value:g} against {bar.bar:g}: {verdict}", file=sys.stderr)
    for breach in report.breaches:
        print(f"BREACH: {breach}", file=sys.stderr)


def _for_people(value: float) -> str:
    return f"{value:,.1f}" if value >= 10 else f"{value:.3f}"


def _without_noise(report: Report) -> Any:
    return _round_all(msgspec.to_builtins(report))


def _round_all(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _round_all(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_round_all(element) for element in value]
    return _rounded(value) if isinstance(value, float) else value


def _rounded(value: float) -> float:
    """Keep four significant digits; more would be noise."""
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, max(0, 3 - math.floor(math.log10(abs(value)))))
