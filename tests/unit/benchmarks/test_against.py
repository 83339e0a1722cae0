"""How the results of two checkouts become ratios. That the turns run is seen in tests/stack/test_benchmarks.py."""

from __future__ import annotations

from typing import Any

import pytest

from tests.benchmarks.harness.against import checkout, judge
from tests.benchmarks.harness.options import ROOT
from tests.benchmarks.harness.report import Report


def result(rate: float, **changes: Any) -> dict[str, Any]:
    """Return what a benchmark prints on its last line, of one lane."""
    costs = {"cpu_us_per_order": {"ours": {"lane": 20.0, "kafka": 5.0}}, "wal_bytes_per_order": {"ours": 300.0}}
    spreads = {"ours": {"min": rate, "median": rate, "max": rate}}
    return {"figures": {}, "spreads": spreads, "unit": "orders/s", "setup": costs, "breaches": []} | changes


def judged(here: list[dict[str, Any]], there: list[dict[str, Any]]) -> Report:
    report = Report(name="x", title="x", unit="ratio", rounds=len(here))
    judge(report, here, there)
    return report


def test_a_ratio_is_that_of_one_round_and_the_figure_is_the_median_of_the_rounds() -> None:
    report = judged([result(10), result(40), result(90)], [result(10), result(20), result(30)])

    assert report.figures["ours orders/s"] == 2
    assert (report.spreads["ours orders/s"].min, report.spreads["ours orders/s"].max) == (1, 3)


def test_costs_are_compared_by_process_and_together() -> None:
    dear = {"cpu_us_per_order": {"ours": {"lane": 40.0, "kafka": 10.0}}, "wal_bytes_per_order": {"ours": 600.0}}

    figures = judged([result(1)], [result(1, setup=dear)]).figures

    assert figures["ours cpu us/order"] == figures["ours cpu us/order lane"] == figures["ours wal bytes/order"] == 0.5


def test_a_figure_that_only_one_checkout_gives_is_left_out() -> None:
    report = judged([result(1, figures={"new": 5.0, "both": 4.0})], [result(1, figures={"both": 2.0, "old": 3.0})])

    assert report.figures["both"] == 2
    assert not {"new", "old"} & report.figures.keys()


def test_breaches_of_either_side_are_breaches_of_the_comparison() -> None:
    report = judged([result(1, breaches=["oversold"])], [result(1, breaches=["undersold"])])

    assert report.breaches == ["here: oversold", "there: undersold"]


def test_a_revision_that_git_does_not_know_is_named() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    with pytest.raises(SystemExit, match="no commit 'nonsense'"):
        checkout("nonsense")
