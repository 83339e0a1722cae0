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


def report(verdict: Verdict | None, *, ours: bool = True, **changes: Any) -> LagReport:
    part = PartitionLag(topic="t", partition=0, state=State.MEASURED, as_of_ms=0, verdict=verdict, why="because")
    group = GroupLag(
        group="shop.inventory",
        ours=ours,
        state="Stable",
        members=1,
        lag=0,
        time_lag_ms=0,
        verdict=verdict,
        unknown=0,
        partitions=[part],
    )
    return LagReport(at_ms=0, up=True, groups=[msgspec.structs.replace(group, **changes)])


def found(
    lag: LagReport | None = None, business: BusinessLag = QUIET, letters: int = 0, **process: Any
) -> list[Problem]:
    well = Process("orders", 1, ready=True, alive=True, obstacles={})
    processes = [msgspec.structs.replace(well, **process)]
    return problems(lag or report(Verdict.OK), business, processes, letters)


def test_a_system_at_work_has_no_problem() -> None:
    assert found() == []


def test_a_room_that_nobody_runs_is_an_error_with_the_command_that_starts_it() -> None:
    [problem] = found(report(Verdict.STOP))
    assert (problem.severity, problem.to_do) == ("error", "`lastunit room inventory`")
    assert problem.what == "shop.inventory t/0 STOP: because"


def test_a_foreign_group_is_a_warning_at_most() -> None:
    assert [problem.severity for problem in found(report(Verdict.STOP, ours=False))] == ["warning"]


def test_what_could_not_be_measured_is_named() -> None:
    assert [problem.what for problem in found(report(None, unknown=3))] == [
        "3 partitions of shop.inventory could not be measured"
    ]


def test_a_process_that_hangs_or_waits_is_an_error_with_its_reason() -> None:
    assert found(alive=False)[0].what == "orders (process 1) hangs"
    assert found(ready=False, obstacles={"Kafka": "Kafka is away"})[0].what == "orders is not ready: Kafka is away"


def test_errors_come_before_warnings() -> None:
    late = msgspec.structs.replace(
        QUIET, past_deadline=[PastDeadline("orders", 2, 0)], parked_webhooks=1, holds_expired=4
    )
    assert [problem.severity for problem in found(business=late, letters=5)] == ["error", "error", "warning", "warning"]
