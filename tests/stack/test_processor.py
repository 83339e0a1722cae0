"""The simulated processor as a process of its own, seen through the adapter that the payments room uses.

It needs no Kafka, PostgreSQL or Valkey: only a free port on the loopback interface.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from consumers.payments.errors import NotSentError, NotUnderstoodError, OutcomeUnknownError, ProcessorError
from consumers.payments.http_processor import HttpProcessor
from consumers.payments.processor import Operation, ProcessorResult
from tests.harness.waiting import until
from tests.stack.processor_bench import PRICE_MINOR, Bench, StartError, authorize, capture, refund, void


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.end()


async def test_money_is_held_then_taken_or_given_back(bench: Bench) -> None:
    server = await bench.server()
    processor = bench.adapter(server)
    first = await processor.perform(authorize("a"))
    second = await processor.perform(authorize("b"))
    assert first == ProcessorResult("succeeded", first.authorization_id, "", expires_at_ms=first.expires_at_ms)
    taken = await processor.perform(capture("a", first.authorization_id, 1500))
    assert taken == ProcessorResult("succeeded", first.authorization_id, "")
    given_back = await processor.perform(void("b", second.authorization_id))
    assert given_back == ProcessorResult("succeeded", second.authorization_id, "")
    books = await server.books()
    assert books.totals == {
        "EUR": {
            "authorizations": 2,
            "authorized_minor": 2 * PRICE_MINOR,
            "captured_minor": 1500,
            "voided_minor": 2 * PRICE_MINOR - 1500,
            "refunded_minor": 0,
            "disputed_minor": 0,
            "lost_minor": 0,
            "held_minor": 0,
        }
    }
    assert [line.order_id for line in books.lines] == ["order-a", "order-b"]


async def test_money_is_taken_by_shipment_and_given_back_in_parts(bench: Bench) -> None:
    server = await bench.server()
    processor = bench.adapter(server)
    held = (await processor.perform(authorize("a"))).authorization_id
    assert (await processor.perform(capture("a", held, 500, is_last=False, name="one"))).result == "succeeded"
    assert (await processor.perform(capture("a", held, 700, name="two"))).result == "succeeded"
    assert (await processor.perform(refund("a", held, 400, "refund one"))).result == "succeeded"
    assert (await processor.perform(refund("a", held, 801, "refund two"))).reason == "amount_exceeds_captured"
    assert await processor.look_up(refund("a", held, 801, "refund two")) == ProcessorResult(
        "failed", held, "amount_exceeds_captured"
    )
    [line] = (await server.books()).lines
    assert (line.captured_minor, line.voided_minor, line.refunded_minor) == (1200, PRICE_MINOR - 1200, 400)


async def test_all_payments_are_listed_page_by_page(bench: Bench) -> None:
    server = await bench.server()
    processor = bench.adapter(server)
    for start in range(0, 1100, 100):
        await asyncio.gather(*(processor.perform(authorize(str(n))) for n in range(start, start + 100)))
    held = await processor.perform(authorize("kept"))
    await processor.perform(capture("kept", held.authorization_id, 1500))
    await processor.perform(refund("kept", held.authorization_id, 300))
    listed = [payment async for payment in processor.payments(0)]
    assert sorted(payment.order_id for payment in listed) == sorted(
        ["order-kept", *(f"order-{n}" for n in range(1100))]
    )
    last = listed[-1]
    assert (last.authorized_minor, last.captured_minor, last.voided_minor, last.refunded_minor, last.held_minor) == (
        PRICE_MINOR,
        1500,
        PRICE_MINOR - 1500,
        300,
        0,
    )
    assert [payment async for payment in processor.payments(last.created_at_ms + 1)] == []


async def test_the_same_key_gets_the_same_answer_and_moves_money_once(bench: Bench) -> None:
    server = await bench.server()
    processor = bench.adapter(server)
    granted = await processor.perform(authorize("a"))
    assert await processor.perform(authorize("a")) == granted
    assert await processor.look_up(authorize("a")) == granted
    assert await processor.look_up(authorize("never")) is None
    with pytest.raises(NotUnderstoodError, match="key_reused"):
        await processor.perform(authorize("a", amount_minor=1))
    assert len((await server.books()).lines) == 1


async def test_a_second_request_under_way_with_the_same_key_learns_nothing_yet(bench: Bench) -> None:
    server = await bench.server("--latency-ms", "60000")
    processor = bench.adapter(server)
    first = asyncio.create_task(processor.perform(authorize("a")))
    under_way = False
    while not under_way:
        try:
            assert await processor.look_up(authorize("a")) is None
        except OutcomeUnknownError:
            under_way = True
    with pytest.raises(OutcomeUnknownError):
        await processor.perform(authorize("a"))
    with pytest.raises(NotUnderstoodError, match="key_reused"):
        await processor.perform(authorize("a", amount_minor=1))
    assert (await server.books()).operations == 0
    first.cancel()


async def test_what_makes_no_sense_is_refused_and_moves_nothing(bench: Bench) -> None:
    server = await bench.server()
    processor = bench.adapter(server)

    async def reason(operation: Operation) -> str:
        answered = await processor.perform(operation)
        assert answered.result == "failed"
        assert answered == await processor.look_up(operation)
        return answered.reason

    taken = (await processor.perform(authorize("taken"))).authorization_id
    given_back = (await processor.perform(authorize("given back"))).authorization_id
    assert await reason(capture("too much", taken, PRICE_MINOR + 1)) == "amount_exceeds_authorization"
    await processor.perform(capture("taken", taken))
    await processor.perform(void("given back", given_back))
    before = await server.books()
    assert await reason(capture("twice", taken)) == "already_captured"
    assert await reason(void("too late", taken)) == "already_captured"
    assert await reason(capture("after void", given_back)) == "already_voided"
    assert await reason(void("twice", given_back)) == "already_voided"
    assert await reason(void("who", "auth_none")) == "authorization_unknown"
    assert (await server.books()).lines == before.lines
    refused = await processor.perform(authorize("free", amount_minor=0))
    assert refused == ProcessorResult("declined", "", "invalid_request")


async def test_tokens_force_what_they_are_called(bench: Bench) -> None:
    processor = bench.adapter(await bench.server())
    assert await processor.perform(authorize("a", "tok_declined")) == ProcessorResult("declined", "", "card_declined")
    poor = await processor.perform(authorize("b", "tok_insufficient_funds"))
    assert poor == ProcessorResult("declined", "", "insufficient_funds")
    fails = (await processor.perform(authorize("c", "tok_capture_fails"))).authorization_id
    assert (await processor.perform(capture("c", fails))).reason == "capture_failed"
    assert (await processor.perform(void("c", fails))).result == "succeeded"
    stuck = (await processor.perform(authorize("d", "tok_void_fails"))).authorization_id
    assert (await processor.perform(void("d", stuck))).reason == "void_failed"


async def test_a_killed_processor_keeps_its_books(bench: Bench) -> None:
    server = await bench.server()
    processor = bench.adapter(server)
    granted = await processor.perform(authorize("a"))
    declined = await processor.perform(authorize("b", "tok_declined"))
    failing = await processor.perform(authorize("c", "tok_capture_fails"))
    await processor.perform(capture("a", granted.authorization_id))
    before = await server.books()

    await server.kill()
    journal = server.data_dir / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"key":"torn')
    await server.start()

    assert await server.books() == before
    assert await processor.perform(authorize("a")) == granted
    assert await processor.look_up(authorize("b")) == declined
    assert (await processor.perform(capture("c", failing.authorization_id))).reason == "capture_failed"
    await server.kill()
    await server.start()
    assert (await server.books()).operations == before.operations + 1


async def test_books_have_one_writer(bench: Bench) -> None:
    server = await bench.server()
    with pytest.raises(StartError, match="written by another processor"):
        await bench.server(name=server.data_dir.name)
    assert (server.data_dir / "address.json").exists()


async def test_a_refusal_is_a_problem_document(bench: Bench) -> None:
    server = await bench.server()
    async with aiohttp.ClientSession(server.url) as session:
        async with session.post("/v1/authorizations", json={}) as answer:
            assert (answer.status, answer.content_type) == (400, "application/problem+json")
            assert (await answer.json())["code"] == "key_missing"
        async with session.get("/v1/nothing") as answer:
            assert await answer.json() == {
                "type": "urn:lastunit:processor:route_unknown",
                "title": "There is nothing here",
                "status": 404,
                "code": "route_unknown",
            }


async def test_an_unavailable_processor_executes_nothing(bench: Bench) -> None:
    server = await bench.server("--error-rate", "1", "--retry-after-seconds", "9")
    processor = bench.adapter(server)
    with pytest.raises(NotSentError) as caught:
        await processor.perform(authorize("a"))
    assert caught.value.retry_after_seconds == 9.0
    with pytest.raises(NotSentError):
        await processor.look_up(authorize("a"))
    assert (await server.books()).operations == 0


@pytest.mark.parametrize("executed", [0, 1])
async def test_a_silent_processor_may_or_may_not_have_executed(bench: Bench, executed: int) -> None:
    server = await bench.server("--timeout-rate", "1", "--timeout-executes-rate", str(executed))
    processor = bench.adapter(server, timeout_seconds=0.5)
    with pytest.raises(OutcomeUnknownError):
        await processor.perform(authorize("a"))
    assert (await server.books()).operations == executed


async def test_an_answer_may_get_lost(bench: Bench) -> None:
    server = await bench.server("--lost-answer-rate", "1")
    processor = bench.adapter(server)
    with pytest.raises(OutcomeUnknownError):
        await processor.perform(authorize("a"))
    with pytest.raises(OutcomeUnknownError):
        await processor.look_up(authorize("a"))
    assert (await server.books()).operations == 1


async def test_declines_and_failed_captures_come_at_their_rates(bench: Bench) -> None:
    server = await bench.server("--decline-rate", "0.5", "--capture-failure-rate", "1", "--seed", "7")
    processor = bench.adapter(server)
    results = [await processor.perform(authorize(str(n))) for n in range(100)]
    assert 30 <= sum(result.result == "declined" for result in results) <= 70
    granted = next(result for result in results if result.result == "succeeded")
    assert (await processor.perform(capture("a", granted.authorization_id))).reason == "capture_failed"


async def test_the_same_seed_gives_the_same_faults_and_another_gives_others(bench: Bench) -> None:
    async def fates(seed: str, name: str) -> list[str]:
        server = await bench.server("--error-rate", "0.3", "--lost-answer-rate", "0.3", "--seed", seed, name=name)
        processor = bench.adapter(server)
        return [await _fate(processor, authorize(str(n % 20))) for n in range(60)]

    first = await fates("1", "first")
    assert await fates("1", "again") == first
    assert await fates("2", "other") != first
    assert set(first) == {"NotSentError", "OutcomeUnknownError", "succeeded"}


async def _fate(processor: HttpProcessor, operation: Operation) -> str:
    try:
        return (await processor.perform(operation)).result
    except ProcessorError as error:
        return type(error).__name__


async def test_a_processor_that_is_stopped_waits_for_no_silent_request(bench: Bench) -> None:
    server = await bench.server("--timeout-rate", "1", "--timeout-executes-rate", "1")
    processor = bench.adapter(server)
    silent = asyncio.create_task(processor.perform(authorize("a")))
    await until(lambda: (server.data_dir / "journal.jsonl").stat().st_size > 0)
    assert await server.stop() == (0, "")
    with pytest.raises(OutcomeUnknownError):
        await silent
