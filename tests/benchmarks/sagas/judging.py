"""What a saga's figures are held against."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tests.benchmarks.harness.report import at_least, at_most
from tests.benchmarks.harness.spread import paired, spread
from tests.benchmarks.sagas.shapes import SHAPES
from tests.benchmarks.sagas.trial import Latencies, SagaTrial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.harness.report import Report


SLOW: Final = "_20ms"
"""Ends the name of a seller whose processor takes LATENCY_MS; it sells one shape."""
SLOW_SHAPE: Final = "uniform"
BARS: Final = {
    "saga_vs_dbos": 20,
    "saga_vs_restate": 20,
    "saga_vs_restate_js": 20,
    "saga_vs_asyncpg_hot": 3,
    "saga_vs_asyncpg_uniform": 1.5,
}


RATIOS: Final = {
    "saga_vs_dbos": ("ours uniform", "dbos uniform"),
    "saga_vs_restate": ("ours uniform", "restate uniform"),
    "saga_vs_restate_js": ("ours uniform", "restate_js uniform"),
    **{
        f"saga_vs_{seller}_{shape}": (f"ours {shape}", f"{seller} {shape}")
        for seller in ("asyncpg", "asyncpg_batched")
        for shape in ("hot", "uniform")
    },
    **{
        f"saga{SLOW}_vs_{seller}": (f"ours{SLOW} {SLOW_SHAPE}", f"{seller}{SLOW} {SLOW_SHAPE}")
        for seller in ("asyncpg", "asyncpg_batched", "dbos", "restate", "restate_js")
    },
}
"""Figure -> whose rate by whose."""


BURST_BAR: Final = 2_500


WAL_BAR: Final = 5_000


Trials = dict[str, list[SagaTrial]]
"""By seller and shape, `ours hot`, one a round."""


def judge(report: Report, trials: Trials, latencies: Sequence[Latencies]) -> None:
    """Compute figures and bars."""
    for name, of_seller in trials.items():
        report.spreads[name] = spread(_rates(of_seller))
        report.details[name] = [msgspec.to_builtins(trial) for trial in of_seller]
    for figure, (own, other) in RATIOS.items():
        own_trials, other_trials = trials.get(own), trials.get(other)
        if own_trials and other_trials:
            report.ratio(figure, paired(_rates(own_trials), _rates(other_trials)), BARS.get(figure))
            report.remarks[other] = f"ours: {report.figures[figure]:.3g} \N{MULTIPLICATION SIGN}"
    if (own_trials := trials.get("ours uniform")) is not None:
        report.bars["saga_burst_orders_per_s"] = at_least(median(_rates(own_trials)), BURST_BAR)
        report.bars["saga_wal_bytes_per_order"] = at_most(
            median(trial.wal_bytes_per_order for trial in own_trials), WAL_BAR
        )
    for seller, prefix in {"ours": "saga", f"ours{SLOW}": "saga_20ms", "ours_http": "saga_http_20ms"}.items():
        for shape in SHAPES:
            if (own_trials := trials.get(f"{seller} {shape}")) is not None:
                report.figure(f"{prefix}_orders_per_second_{shape}", median(_rates(own_trials)))
    for room, us in _middle(trial.cpu_us_per_order for trial in trials.get("ours uniform", ())).items():
        report.figure(f"saga_cpu_us_per_order_{room}", us)
    if latencies:
        report.figure("publish_to_paid_p50_ms", median(latency.p50_ms for latency in latencies))
        report.figure("publish_to_paid_p99_ms", median(latency.p99_ms for latency in latencies))
        report.details["publish_to_paid"] = [msgspec.to_builtins(latency) for latency in latencies]
    report.setup["cpu_us_per_order"] = {
        name: _middle(trial.cpu_us_per_order for trial in of_seller) for name, of_seller in trials.items()
    }
    report.setup["wal_bytes_per_order"] = {
        name: median(trial.wal_bytes_per_order for trial in of_seller) for name, of_seller in trials.items()
    }


def _rates(trials: Sequence[SagaTrial]) -> list[float]:
    return [trial.orders_per_s for trial in trials]


def _middle(costs: Any) -> dict[str, float]:
    """Return the median of each process."""
    rounds = list(costs)
    return {name: median(cost[name] for cost in rounds) for name in sorted(rounds[0])} if rounds else {}
