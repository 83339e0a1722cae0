"""A processor that is away: orders wait for it, none of them fails, and one at a time asks whether it is back."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers.payments.backoff import Backoff
from consumers.payments.breaker import BreakerPolicy, CircuitState
from consumers.payments.effects import EffectRunner
from consumers.payments.errors import NotUnderstoodError, OutcomeUnknownError
from consumers.payments.processor import Operation, ProcessorPayment, ProcessorResult
from consumers.runtime.background import BackgroundTasks
from tests.harness.waiting import one_turn, until
from tests.unit.payments_processor.fakes import GRANTED, FakeNetwork, FakeTime, Fate, operation

PARTITION = 3
RESET_SECONDS = 100.0


class Bench:
    """A runner in front of a network that is down; nothing is tried again before time passes by hand."""

    def __init__(self, *, workers: int = 4, consecutive_failures: int = 3) -> None:
        self.network = FakeNetwork()
        self.network.is_down = True
        self.time = FakeTime(by_hand=True)
        self.results: list[tuple[str, ProcessorResult]] = []
        self.runner = EffectRunner(
            self.network,
            self._report,
            self._inspected,
            workers=workers,
            backoff=Backoff(base_seconds=1.0, cap_seconds=1.0),
            breaker=BreakerPolicy(consecutive_failures=consecutive_failures, reset_seconds=RESET_SECONDS),
            random_fraction=lambda: 0.0,
            clock=self.time.now,
            call_later=self.time.call_later,
        )

    async def _inspected(self, done: Operation, payment: ProcessorPayment, refused: ProcessorResult | None) -> None:
        raise AssertionError((done, payment, refused))

    async def _report(self, done: Operation, result: ProcessorResult) -> None:
        self.results.append((done.operation_id, result))

    async def until_all_stand_in_line(self) -> None:
        """What was on its way when the circuit opened comes to the line after its backoff."""

        def all_stand_in_line() -> bool:
            self.time.pass_(1.0)
            return self.runner.in_line >= self.runner.pending

        await until(all_stand_in_line)


def named(logs: list[Any], name: str) -> list[Any]:
    return [entry for entry in logs if entry["event"] == name]


async def test_orders_wait_for_a_processor_that_is_down_and_all_finish_when_it_is_back() -> None:
    bench = Bench()
    operations = [operation(str(n)) for n in range(200)]
    with capture_logs() as logs:
        async with bench.runner as runner:
            runner.submit(PARTITION, operations)
            await bench.until_all_stand_in_line()
            assert runner.circuit is CircuitState.OPEN
            assert runner.in_line == runner.pending == 200
            assert bench.results == []
            assert len(bench.network.calls) <= 3 + 4, "three failures, and what the four workers had begun by then"
            bench.network.is_down = False
            bench.time.pass_(RESET_SECONDS)
            await asyncio.wait_for(runner.drain(), 10)
    assert sorted(bench.results) == sorted((one.operation_id, GRANTED) for one in operations)
    assert bench.network.executed == Counter(one.operation_id for one in operations)
    assert [entry["event"] for entry in logs if entry["event"].startswith("circuit")] == [
        "circuit_opened",
        "circuit_half_open",
        "circuit_closed",
    ]
    assert named(logs, "circuit_opened")[0]["processor"] == "FakeNetwork"


async def test_without_a_breaker_the_same_processor_is_asked_again_and_again() -> None:
    """The negative control: a policy that never opens."""
    bench = Bench(consecutive_failures=10**9)
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation(str(n)) for n in range(39)])  # fewer calls than a rate is judged by
        await until(lambda: len(bench.time.waits_seconds) == 39)
        assert len(bench.network.calls) == 39
        assert runner.circuit is CircuitState.CLOSED
        bench.network.is_down = False
        bench.time.pass_()
        await asyncio.wait_for(runner.drain(), 10)


async def test_one_probe_at_a_time_asks_a_processor_that_stays_away() -> None:
    bench = Bench()
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation(str(n)) for n in range(50)])
        await bench.until_all_stand_in_line()
        for _ in range(5):
            calls = len(bench.network.calls)
            bench.time.pass_(RESET_SECONDS)
            await until(lambda calls=calls: len(bench.network.calls) == calls + 1)  # type: ignore[misc]
            await bench.until_all_stand_in_line()
            assert len(bench.network.calls) == calls + 1
            assert runner.circuit is CircuitState.OPEN
        assert bench.results == []


async def test_a_probe_under_way_keeps_everybody_else_in_line() -> None:
    bench = Bench()
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation(str(n)) for n in range(20)])
        await bench.until_all_stand_in_line()
        bench.network.is_down = False
        bench.network.gate.clear()
        bench.time.pass_(RESET_SECONDS)
        await until(lambda: bench.network.in_flight == 1)
        runner.submit(PARTITION, [operation("new")])
        for _ in range(10):
            bench.time.pass_(RESET_SECONDS)
            await one_turn()
        assert bench.network.in_flight == 1
        assert runner.in_line == 20
        bench.network.gate.set()
        await asyncio.wait_for(runner.drain(), 10)
    assert len(bench.results) == 21


async def test_what_is_unknown_is_looked_up_when_the_processor_is_back() -> None:
    bench = Bench(workers=1, consecutive_failures=1)
    bench.network.is_down = False
    bench.network.fates["a"].append(Fate.ANSWER_LOST)
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation("a")])
        await bench.until_all_stand_in_line()
        bench.time.pass_(RESET_SECONDS)
        await asyncio.wait_for(runner.drain(), 10)
    assert bench.network.calls == ["perform a", "look up a"]
    assert bench.network.executed == {"a": 1}


async def test_a_forgotten_partition_leaves_the_line_and_the_next_becomes_the_probe() -> None:
    bench = Bench()
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation(f"gone {n}") for n in range(10)])
        runner.submit(4, [operation(f"ours {n}") for n in range(10)])
        await bench.until_all_stand_in_line()
        runner.forget(PARTITION)
        assert runner.in_line == runner.pending == 10
        bench.network.is_down = False
        bench.time.pass_(RESET_SECONDS)
        await asyncio.wait_for(runner.drain(), 10)
    assert sorted(done for done, _ in bench.results) == [f"ours {n}" for n in range(10)]


async def test_a_probe_that_is_forgotten_before_it_asks_leaves_its_chance_to_the_next() -> None:
    bench = Bench(workers=1)
    async with bench.runner as runner:
        runner.submit(4, [operation(f"opens the circuit {n}") for n in range(3)])
        runner.submit(PARTITION, [operation("gone")])
        await bench.until_all_stand_in_line()
        bench.network.is_down = False
        bench.time.pass_(RESET_SECONDS)  # the first in the line is called up ...
        runner.forget(PARTITION)  # ... and is gone before a worker takes it
        await one_turn()
        bench.time.pass_(RESET_SECONDS)
        await asyncio.wait_for(runner.drain(), 10)
    assert len(bench.results) == 3


async def test_a_processor_that_does_not_understand_us_is_not_away() -> None:
    bench = Bench(workers=1, consecutive_failures=2)
    bench.network.is_down = False
    for n in range(5):
        bench.network.fates[str(n)].append(NotUnderstoodError("who are you?"))
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation(str(n)) for n in range(5)])
        await until(lambda: len(bench.time.waits_seconds) == 5)
        assert runner.circuit is CircuitState.CLOSED


async def test_a_publisher_that_is_away_does_not_open_the_circuit() -> None:
    bench = Bench(consecutive_failures=1)
    bench.network.is_down = False
    refusals = 5

    async def refuse(done: Operation, result: ProcessorResult) -> None:
        nonlocal refusals
        refusals -= 1
        if refusals >= 0:
            raise OutcomeUnknownError("the broker is away")
        bench.results.append((done.operation_id, result))

    bench.runner._on_result = refuse
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation("a")])

        def has_resulted() -> bool:
            assert runner.circuit is CircuitState.CLOSED
            bench.time.pass_(1.0)
            return bool(bench.results)

        await until(has_resulted)


@pytest.mark.parametrize("workers", [1, 16])
async def test_closing_while_the_circuit_is_open_leaves_the_line_to_the_next_owner(workers: int) -> None:
    bench = Bench(workers=workers)
    bench.runner.start(BackgroundTasks(lambda _: None))
    bench.runner.submit(PARTITION, [operation(str(n)) for n in range(30)])
    await bench.until_all_stand_in_line()
    await asyncio.wait_for(bench.runner.close(), 10)
    assert bench.results == []
    assert bench.runner.pending == 0
