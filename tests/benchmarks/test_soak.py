"""That a short soak runs through, ends with sound books, and would notice what grows; never how fast it is."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import msgspec
import pytest

from infra.base.rooms import SYSTEM
from tests.benchmarks.harness.options import ROOT
from tests.benchmarks.harness.report import Report
from tests.benchmarks.soak import Sample, judge


@pytest.mark.release
@pytest.mark.stack
@pytest.mark.faults
@pytest.mark.timeout(300)
async def test_half_a_minute_of_soak_leaves_sound_books_and_nothing_that_waits(tmp_path: Path) -> None:
    # Half of the capacity of a fast moment is too much for a slow one, and each order is audited in the end.
    arguments = ["--minutes", "0.5", "--most", "40", "--samples", "6", "--orders", "200", "--folder", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.soak", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, errors = await process.communicate()
    finally:
        if process.returncode is None:  # it has servers of its own
            process.terminate()
            await process.wait()
    assert process.returncode == 0, errors.decode()

    result = json.loads(out.decode().splitlines()[-1])
    assert result["breaches"] == []
    assert result["setup"]["restarts"] == {"processor": 0, **dict.fromkeys(SYSTEM, 0)}
    minutes = result["details"]["minutes"]
    assert len(minutes) == 6
    assert sum(minute["finished"] for minute in minutes) > 0
    # A cache of half a million orders is nowhere near full after half a minute; a leak of a batch each batch would show.
    for room in SYSTEM:
        assert result["figures"][f"memory_growth_{room}"] < 1.5
    # Half of a capacity is no load under which a queue grows without end, whatever else the machine does.
    assert minutes[-1]["waiting"]["outbox"] <= 1_000
    assert (tmp_path / "soak.svg").read_text().startswith("<svg")


def sample(number: int, **changes: float) -> Sample:
    grown = {"rss": 100.0, "p50": 20.0, "p99": 80.0, "waiting": 5.0} | changes
    return Sample(
        at_s=60.0 * (number + 1),
        offered=1_000 * (number + 1),
        finished=1_000,
        p50_ms=grown["p50"],
        p99_ms=grown["p99"],
        rss_mib={"inventory": grown["rss"], "processor": 10.0 * (number + 1)},
        waiting={"outbox": int(grown["waiting"])},
        mib={"holds": float(number)},
    )


def judged(samples: list[Sample]) -> Report:
    report = Report(name="soak", title="", unit="", rounds=len(samples))
    judge(report, samples)
    return report


def missed(report: Report) -> set[str]:
    return {name for name, bar in report.bars.items() if not bar.holds}


def test_what_stays_flat_meets_every_bar_whatever_the_first_third_was_like() -> None:
    samples = [sample(number, rss=40.0, p99=900.0) for number in range(3)] + [sample(number) for number in range(3, 9)]
    report = judged(samples)
    assert missed(report) == set()
    assert report.figures["more_outbox"] == 0
    assert "memory_growth_processor" not in report.bars


@pytest.mark.parametrize(
    ("what", "bar"), [("rss", "memory_growth_inventory"), ("p50", "p50_growth"), ("p99", "p99_growth")]
)
def test_what_grows_by_a_tenth_each_minute_is_noticed(what: str, bar: str) -> None:
    samples = [sample(number, **{what: 100.0 * 1.1**number}) for number in range(30)]
    assert missed(judged(samples)) == {bar}


def test_a_queue_that_only_grows_is_noticed() -> None:
    report = judged([sample(number, waiting=10.0 * number) for number in range(30)])
    assert report.figures["more_outbox"] == 100
    assert missed(report) == {"more_outbox"}
    assert msgspec.to_builtins(report.details["minutes"][0])["waiting"] == {"outbox": 0}
