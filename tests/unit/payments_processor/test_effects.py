"""The effect runner against a fake card network: what is lost, what is repeated, what never happens twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from consumers.payments.errors import NotSentError, NotUnderstoodError, OutcomeUnknownError, RunnerClosedError
from consumers.payments.processor import OperationKind, ProcessorPayment, ProcessorResult
from consumers.runtime.background import BackgroundTasks
from tests.harness.waiting import one_turn, until
from tests.unit.payments_processor.bench import PARTITION, Bench
from tests.unit.payments_processor.fakes import ASKS_FOR_ACTION, GRANTED, Fate, operation


async def test_an_answer_is_reported_once() -> None:
    bench = Bench()
    await bench.run(operation("a"), operation("b"))
    assert sorted(bench.log.results) == [("a", GRANTED), ("b", GRANTED)]
    assert bench.runner.pending == 0


async def test_that_a_customer_has_to_confirm_is_an_answer_like_any_other() -> None:
    bench = Bench()
    await bench.run(operation("a", payment_token="tok_3ds"))
    assert bench.network.calls == ["perform a"]
    assert bench.log.results == [("a", ASKS_FOR_ACTION)]


async def test_a_lost_answer_is_looked_up_and_never_performed_again() -> None:
    bench = Bench()
    bench.network.fates["a"].append(Fate.ANSWER_LOST)
    await bench.run(operation("a"))
    assert bench.network.calls == ["perform a", "look up a"]
    assert bench.log.results == [("a", GRANTED)]


async def test_what_the_processor_never_saw_is_performed_again_under_the_same_id() -> None:
    bench = Bench()
    bench.network.fates["a"].append(Fate.REQUEST_LOST)
    await bench.run(operation("a"))
    assert bench.network.calls == ["perform a", "look up a", "perform a"]
    assert bench.network.executed == {"a": 1}


async def test_what_an_earlier_owner_may_have_performed_is_looked_up_first() -> None:
    bench = Bench()
    bench.network.books["done"] = GRANTED
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation("done"), operation("lost")], resumed=True)
        await asyncio.wait_for(runner.drain(), 10)
    assert sorted(bench.network.calls) == ["look up done", "look up lost", "perform lost"]
    assert sorted(bench.log.results) == [("done", GRANTED), ("lost", GRANTED)]


async def test_a_look_up_that_fails_is_repeated_before_anything_is_performed() -> None:
    bench = Bench()
    bench.network.fates["a"].append(Fate.ANSWER_LOST)
    bench.network.look_up_fates["a"].extend([OutcomeUnknownError("lost too"), NotSentError("busy"), OSError("odd")])
    await bench.run(operation("a"))
    assert bench.network.calls == ["perform a"] + ["look up a"] * 4
    assert bench.log.results == [("a", GRANTED)]


REFUSED = ProcessorResult("failed", "auth_1", "already_captured")
STANDS = ProcessorPayment("auth_1", "order", "EUR", 1999, 1999, 0, 0, 1)


async def test_a_definite_no_is_explained_by_where_the_money_is() -> None:
    bench = Bench()
    bench.network.books["a"], bench.network.payments_by_id["auth_1"] = REFUSED, STANDS
    bench.network.inspection_fates.append(OutcomeUnknownError("lost"))
    await bench.run(operation("a", OperationKind.CAPTURE, authorization_id="auth_1"))
    assert bench.network.calls == ["perform a", "inspect auth_1", "inspect auth_1"]
    assert bench.log.inspections == [("a", STANDS, REFUSED)]
    assert bench.log.results == []


async def test_a_processor_that_cannot_show_a_payment_holds_up_no_answer() -> None:
    bench = Bench()
    bench.network.books["a"] = REFUSED
    bench.network.inspection_fates.append(NotUnderstoodError("there is nothing here"))
    await bench.run(operation("a", OperationKind.CAPTURE, authorization_id="auth_1"))
    assert (bench.log.inspections, bench.log.results) == ([], [("a", REFUSED)])


async def test_an_inspection_moves_nothing_and_reports_where_the_money_is() -> None:
    bench = Bench()
    bench.network.payments_by_id["auth_1"] = STANDS
    known = operation("known", OperationKind.INSPECT, authorization_id="auth_1")
    await bench.run(known, operation("unknown", OperationKind.INSPECT, authorization_id="auth_2"))
    assert sorted(bench.network.calls) == ["inspect auth_1", "inspect auth_2"]
    assert bench.log.inspections == [("known", STANDS, None)]
    assert bench.log.results == [("unknown", ProcessorResult("failed", "auth_2", "authorization_unknown"))]


async def test_a_busy_processor_is_not_asked_before_the_time_it_named() -> None:
    bench = Bench()
    bench.network.fates["a"].extend([Fate.BUSY, Fate.BUSY])
    await bench.run(operation("a"))
    assert bench.network.calls == ["perform a"] * 3
    assert bench.time.waits_seconds == [7.0 + 0.5, 7.0 + 1.0]


async def test_waits_double_up_to_the_cap() -> None:
    bench = Bench(random_fraction=lambda: 1.0)
    bench.network.fates["a"].append(Fate.ANSWER_LOST)
    bench.network.look_up_fates["a"].extend(OutcomeUnknownError("lost") for _ in range(6))
    await bench.run(operation("a"))
    assert bench.time.waits_seconds == [1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]


async def test_waits_are_spread_down_to_nothing() -> None:
    fractions = iter([0.0, 0.25])
    bench = Bench(random_fraction=lambda: next(fractions))
    bench.network.fates["a"].extend([NotSentError("refused"), NotSentError("refused")])
    await bench.run(operation("a"))
    assert bench.time.waits_seconds == [0.0, 0.5]


async def test_a_result_survives_a_publisher_that_fails() -> None:
    bench = Bench(refusals=5)
    await bench.run(operation("a"))
    assert bench.network.calls == ["perform a"]
    assert bench.log.results == [("a", GRANTED)]
    assert len(bench.time.waits_seconds) == 5


async def test_a_new_kind_of_trouble_starts_with_a_short_wait() -> None:
    bench = Bench(refusals=1, random_fraction=lambda: 1.0)
    bench.network.fates["a"].append(Fate.ANSWER_LOST)
    bench.network.look_up_fates["a"].append(OutcomeUnknownError("lost"))
    await bench.run(operation("a"))
    assert bench.time.waits_seconds == [1.0, 2.0, 1.0]


async def test_an_unforeseen_error_is_an_unknown_outcome_and_ends_no_worker() -> None:
    bench = Bench(workers=1)
    bench.network.fates["a"].append(ZeroDivisionError("a bug"))
    await bench.run(operation("a"), operation("b"))
    assert bench.network.calls.index("look up a") < bench.network.calls.index("perform a", 1)
    assert sorted(bench.log.results) == [("a", GRANTED), ("b", GRANTED)]


async def test_a_misunderstanding_waits_long_and_holds_up_nobody() -> None:
    bench = Bench(workers=1, by_hand=True)
    bench.network.fates["a"].append(NotUnderstoodError("who are you?"))
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation("a"), operation("b")])
        await until(lambda: bench.log.results == [("b", GRANTED)])
        assert bench.time.waits_seconds == [20.0 + 0.5]
        bench.time.pass_()
        await asyncio.wait_for(runner.drain(), 10)
    assert bench.network.executed == {"a": 1, "b": 1}


async def test_an_operation_submitted_twice_on_its_way_is_performed_once() -> None:
    bench = Bench(workers=1)
    bench.network.gate.clear()
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation("a"), operation("b")])
        await until(lambda: bench.network.in_flight == 1)
        runner.submit(PARTITION, [operation("a"), operation("b")])
        assert runner.pending == 2
        bench.network.gate.set()
        await asyncio.wait_for(runner.drain(), 10)
    assert bench.network.calls == ["perform a", "perform b"]


async def test_there_are_never_more_calls_or_tasks_than_workers() -> None:
    bench = Bench(workers=4)
    bench.network.gate.clear()
    tasks_before = len(asyncio.all_tasks())
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation(str(n)) for n in range(500)])
        await until(lambda: bench.network.in_flight == 4)
        assert len(asyncio.all_tasks()) == tasks_before + 4
        bench.network.gate.set()
        await asyncio.wait_for(runner.drain(), 10)
    assert bench.network.most_in_flight == 4
    assert len(bench.log.results) == 500


async def test_a_revoked_partitions_queue_and_waiting_room_are_emptied() -> None:
    bench = Bench(workers=1, by_hand=True)
    bench.network.fates["waiting"].append(Fate.REQUEST_LOST)
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation("waiting")])
        await until(lambda: len(bench.time.waits_seconds) == 1)
        bench.network.gate.clear()
        runner.submit(4, [operation("ours")])
        runner.submit(PARTITION, [operation("queued")])
        await until(lambda: bench.network.in_flight == 1)
        runner.forget(PARTITION)
        assert runner.pending == 1
        bench.time.pass_()
        bench.network.gate.set()
        await asyncio.wait_for(runner.drain(), 10)
    assert bench.network.calls == ["perform waiting", "perform ours"]
    assert bench.log.results == [("ours", GRANTED)]


async def test_what_is_in_flight_when_its_partition_goes_is_reported_if_it_is_known() -> None:
    bench = Bench(by_hand=True)
    bench.network.fates["unknown"].append(Fate.ANSWER_LOST)
    bench.network.gate.clear()
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation("known"), operation("unknown")])
        await until(lambda: bench.network.in_flight == 2)
        runner.forget(PARTITION)
        bench.network.gate.set()
        await asyncio.wait_for(runner.drain(), 10)
    assert bench.log.results == [("known", GRANTED)]
    assert bench.time.waits_seconds == []
    assert "look up unknown" not in bench.network.calls


async def test_a_partition_that_comes_back_takes_up_its_call_in_flight() -> None:
    bench = Bench()
    bench.network.fates["a"].append(Fate.ANSWER_LOST)
    bench.network.gate.clear()
    async with bench.runner as runner:
        runner.submit(PARTITION, [operation("a")])
        await until(lambda: bench.network.in_flight == 1)
        runner.forget(PARTITION)
        runner.submit(PARTITION, [operation("a")])
        bench.network.gate.set()
        await asyncio.wait_for(runner.drain(), 10)
    assert bench.network.calls == ["perform a", "look up a"]
    assert bench.log.results == [("a", GRANTED)]


async def test_closing_finishes_what_is_in_flight_and_leaves_the_queue() -> None:
    bench = Bench(workers=2)
    bench.network.gate.clear()
    bench.runner.start(BackgroundTasks(lambda _: None))
    bench.runner.submit(PARTITION, [operation(str(n)) for n in range(10)])
    await until(lambda: bench.network.in_flight == 2)
    closing = asyncio.create_task(bench.runner.close(deadline_seconds=10))
    await one_turn()
    with pytest.raises(RunnerClosedError):
        bench.runner.submit(PARTITION, [operation("late")])
    bench.network.gate.set()
    await asyncio.wait_for(closing, 10)
    assert sorted(bench.log.results) == [("0", GRANTED), ("1", GRANTED)]
    assert len(bench.network.calls) == 2


async def test_closing_does_not_wait_for_a_call_that_never_ends() -> None:
    bench = Bench(workers=2)
    bench.network.gate.clear()
    bench.runner.start(BackgroundTasks(lambda _: None))
    bench.runner.submit(PARTITION, [operation("a")])
    await until(lambda: bench.network.in_flight == 1)
    await asyncio.wait_for(bench.runner.close(deadline_seconds=0.01), 10)
    assert bench.network.in_flight == 0
    assert bench.log.results == []
    await asyncio.wait_for(bench.runner.drain(), 10)


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_gets_lost_each_operation_is_executed_and_reported_once(seed: int) -> None:
    chance = random.Random(seed)
    bench = Bench(workers=chance.choice([1, 3, 16]), refusals=chance.randrange(20), random_fraction=chance.random)
    operations = [operation(str(n)) for n in range(100)]
    for one in operations:
        bench.network.fates[one.operation_id].extend(chance.choices(list(Fate), k=chance.randrange(6)))
        lost_look_ups = chance.randrange(3)
        bench.network.look_up_fates[one.operation_id].extend(OutcomeUnknownError("lost") for _ in range(lost_look_ups))
    await bench.run(*operations, *chance.sample(operations, 30))
    once_each = Counter(one.operation_id for one in operations)
    assert bench.network.executed == once_each
    assert Counter(reported for reported, _ in bench.log.results) == once_each
