from __future__ import annotations

from typing import Any

import msgspec

from consumers.lag.model import GroupLag, LagReport, PartitionLag, State, Verdict
from infra.ops.business.measure import BusinessLag, PastDeadline, Waiting
from infra.ops.status import Problem, Process, problems

QUIET = BusinessLag(
    at_ms=0,
    waiting=[Waiting("order", "pending", 3, 0)],
    past_deadline=[],
    holds_expiring=2,
    holds_expired=0,
    outbox={"orders": 1},
    unconfirmed=[],
    parked_webhooks=0,
)


def report(verdict: Verdict | None, *, is_ours: bool = True, **changes: Any) -> LagReport:
    part = PartitionLag(topic="t", partition=0, state=State.MEASURED, as_of_ms=0, verdict=verdict, why="because")
    group = GroupLag(
        group="shop.inventory",
        ours=is_ours,
        state="Stable",
        members=1,
        lag=0,
        time_lag_ms=0,
        verdict=verdict,
        unknown=0,
        partitions=[part],
    )
    return LagReport(at_ms=0, up=True, groups=[msgspec.structs.replace(group, **changes)])


def problems_of(
    lag: LagReport | None = None, business: BusinessLag = QUIET, letters: int = 0, **process: Any
) -> list[Problem]:
    well = Process("orders", 1, ready=True, alive=True, obstacles={})
    processes = [msgspec.structs.replace(well, **process)]
    return problems(lag or report(Verdict.OK), business, processes, letters)


def test_a_system_at_work_has_no_problem() -> None:
    assert problems_of() == []


def test_a_room_that_nobody_runs_is_an_error_with_the_command_that_starts_it() -> None:
    [problem] = problems_of(report(Verdict.STOP))
    assert (problem.severity, problem.to_do) == ("error", "`lastunit room inventory`")
    assert problem.what == "shop.inventory t/0 STOP: because"


def test_a_foreign_group_is_a_warning_at_most() -> None:
    assert [problem.severity for problem in problems_of(report(Verdict.STOP, is_ours=False))] == ["warning"]


def test_what_could_not_be_measured_is_named() -> None:
    assert [problem.what for problem in problems_of(report(None, unknown=3))] == [
        "3 partitions of shop.inventory could not be measured"
    ]


def test_a_process_that_hangs_or_waits_is_an_error_with_its_reason() -> None:
    assert problems_of(alive=False)[0].what == "orders (process 1) hangs"
    assert (
        problems_of(ready=False, obstacles={"Kafka": "Kafka is away"})[0].what == "orders is not ready: Kafka is away"
    )


def test_errors_come_before_warnings() -> None:
    late = msgspec.structs.replace(
        QUIET, past_deadline=[PastDeadline("orders", 2, 0)], parked_webhooks=1, holds_expired=4
    )
    assert [problem.severity for problem in problems_of(business=late, letters=5)] == [
        "error",
        "error",
        "warning",
        "warning",
    ]


def partitions(*verdicts: Verdict, room: str = "inventory") -> LagReport:
    parts = [
        PartitionLag(topic="t", partition=at, state=State.MEASURED, as_of_ms=0, verdict=verdict, why="by ann: count")
        for at, verdict in enumerate(verdicts)
    ]
    return report(max(verdicts, key=list(Verdict).index), group=room, partitions=parts)


def test_a_paused_partition_is_a_warning_with_the_command_that_resumes_it() -> None:
    [problem] = problems_of(partitions(Verdict.OK, Verdict.PAUSED))
    assert (problem.severity, problem.to_do) == ("warning", "`lastunit room resume inventory --partition 1`")
    assert problem.what == "inventory t/1 PAUSED: by ann: count"
    [problem] = problems_of(partitions(*[Verdict.PAUSED] * 5))
    assert (problem.what, problem.to_do) == (
        "inventory PAUSED in all partitions, as t/0: by ann: count",
        "`lastunit room resume inventory`",
    )
    [problem] = problems_of(partitions(Verdict.OK, *[Verdict.PAUSED] * 5))
    assert problem.to_do == "`lastunit room paused`"


def test_many_partitions_of_one_verdict_are_one_problem_and_few_are_named() -> None:
    assert len(problems_of(partitions(Verdict.OK, *[Verdict.STALL] * 3))) == 3
    assert [problem.what for problem in problems_of(partitions(Verdict.OK, *[Verdict.STALL] * 4))] == [
        "inventory STALL in 4 of 5 partitions, as t/1: by ann: count"
    ]
