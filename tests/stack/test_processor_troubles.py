"""The effect runner and a payment processor that loses answers, is down, is killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from consumers.payments.backoff import Backoff
from consumers.payments.breaker import BreakerPolicy, CircuitState
from consumers.payments.effects import EffectRunner
from consumers.payments.processor import Operation, OperationKind, ProcessorResult
from tests.harness.waiting import until
from tests.stack.processor_bench import PRICE_MINOR, Bench, authorize, capture, refund
from tests.unit.payments_processor.bench import nothing_failed


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.end()


async def test_every_order_is_paid_once_through_lost_answers_silence_and_a_kill(bench: Bench) -> None:
    faults = ("--error-rate", "0.1", "--timeout-rate", "0.05", "--lost-answer-rate", "0.1", "--seed", "42")
    server = await bench.server(*faults, "--retry-after-seconds", "0", "--latency-ms", "2")
    processor = bench.adapter(server, timeout_seconds=1.0)
    captured: set[str] = set()

    async def report_result(operation: Operation, result: ProcessorResult) -> None:
        assert result.result == "succeeded"
        if operation.kind is OperationKind.AUTHORIZE:
            key = operation.order_id.removeprefix("order-")
            runner.submit(0, [capture(key, result.authorization_id)])
        else:
            captured.add(operation.order_id)

    runner = EffectRunner(
        processor, report_result, nothing_failed, workers=16, backoff=Backoff(base_seconds=0.02, cap_seconds=0.5)
    )
    async with asyncio.timeout(240), runner:
        runner.submit(0, [authorize(str(n)) for n in range(200)])
        await until(lambda: bool(captured))
        await server.kill()
        await server.start()
        await runner.drain()

    books = await server.books()
    assert len(captured) == len(books.lines) == 200
    assert all(line.captured_minor == line.authorized_minor == PRICE_MINOR for line in books.lines)
    assert sorted(line.order_id for line in books.lines) == sorted(captured)


async def test_orders_wait_for_a_processor_that_is_down_and_none_is_declined(bench: Bench) -> None:
    server = await bench.server()
    processor = bench.adapter(server)
    results: dict[str, ProcessorResult] = {}

    async def take(operation: Operation, result: ProcessorResult) -> None:
        results[operation.operation_id] = result

    policy = BreakerPolicy(consecutive_failures=5, reset_seconds=0.2)
    runner = EffectRunner(processor, take, nothing_failed, workers=16, backoff=Backoff(0.01, 0.1), breaker=policy)
    await server.kill()
    async with asyncio.timeout(240), runner:
        runner.submit(0, [authorize(str(n)) for n in range(300)])
        await until(lambda: runner.circuit is CircuitState.OPEN and runner.in_line > 250)
        assert results == {}
        await server.start()
        await runner.drain()
    assert len(results) == 300
    assert {result.result for result in results.values()} == {"succeeded"}
    books = await server.books()
    assert len(books.lines) == books.operations == 300


async def test_a_processor_that_is_killed_again_and_again_under_load_takes_each_order_once(bench: Bench) -> None:
    server = await bench.server("--latency-ms", "5", "--error-rate", "0.02", "--retry-after-seconds", "0")
    processor = bench.adapter(server, timeout_seconds=2.0)
    done: set[str] = set()

    async def report_result(operation: Operation, result: ProcessorResult) -> None:
        assert result.result == "succeeded"
        key = operation.order_id.removeprefix("order-")
        if operation.kind is OperationKind.AUTHORIZE:
            runner.submit(0, [capture(key, result.authorization_id)])
        elif operation.kind is OperationKind.CAPTURE:
            runner.submit(0, [refund(key, result.authorization_id, 999)])
        else:
            done.add(operation.order_id)

    policy = BreakerPolicy(consecutive_failures=8, reset_seconds=0.1)
    runner = EffectRunner(
        processor, report_result, nothing_failed, workers=16, backoff=Backoff(0.02, 0.2), breaker=policy
    )
    async with asyncio.timeout(240), runner:
        runner.submit(0, [authorize(str(n)) for n in range(400)])
        for share in (50, 150, 300):
            await until(lambda share=share: len(done) >= share, seconds=60)  # type: ignore[misc]
            await server.kill()
            await until(lambda: runner.circuit is not CircuitState.CLOSED)
            await server.start()
        await runner.drain()
    books = await server.books()
    assert len(done) == len(books.lines) == 400
    assert {(line.captured_minor, line.refunded_minor) for line in books.lines} == {(PRICE_MINOR, 999)}
    assert runner.circuit is CircuitState.CLOSED
