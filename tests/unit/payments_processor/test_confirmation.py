"""What nobody was heard to confirm, and is to be cancelled: the processor is asked whether it was, before and after."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
import pytest

from consumers.payments.effects import IN_FLIGHT_SECONDS
from consumers.payments.errors import NotSentError, OutcomeUnknownError
from consumers.payments.processor import Operation, OperationKind, ProcessorResult
from tests.harness.waiting import until
from tests.unit.payments_processor.bench import PARTITION, Bench
from tests.unit.payments_processor.fakes import ASKS_FOR_ACTION, GRANTED, Fate, operation

VOID: Final = msgspec.structs.replace(
    operation("void", OperationKind.VOID, authorization_id="auth_1"), unconfirmed_id="auth"
)
NOT_VOIDED: Final = ProcessorResult("failed", "auth_1", "confirmed_meanwhile")
DECLINED: Final = ProcessorResult("declined", "auth_1", "wrong_code")


def bench(stands: ProcessorResult, *, refusals: int = 0) -> Bench:
    """Return a bench at which the authorisation to be cancelled stands so."""
    found = Bench(refusals=refusals)
    found.network.books["auth"] = stands
    return found


@pytest.mark.parametrize("stands", [ASKS_FOR_ACTION, DECLINED], ids=["unconfirmed", "declined"])
async def test_what_nobody_confirmed_is_looked_up_and_cancelled(stands: ProcessorResult) -> None:
    it = bench(stands)
    await it.run(VOID)
    assert it.network.calls == ["look up void", "look up auth", "perform void", "look up auth"]
    assert it.log.results == [("void", GRANTED)]


async def test_what_was_confirmed_is_told_and_not_cancelled() -> None:
    it = bench(GRANTED)
    await it.run(VOID)
    assert it.network.calls == ["look up void", "look up auth"]
    assert it.log.results == [("auth", GRANTED), ("void", NOT_VOIDED)]


async def test_what_was_confirmed_in_the_moment_of_its_end_is_told_before_the_end() -> None:
    it = bench(ASKS_FOR_ACTION)
    it.network.gate.clear()
    async with it.runner as runner:
        runner.submit(PARTITION, [VOID])
        await until(lambda: it.network.in_flight == 1)
        it.network.books["auth"] = GRANTED
        it.network.gate.set()
        await asyncio.wait_for(runner.drain(), 10)
    assert it.log.results == [("auth", GRANTED), ("void", GRANTED)]


async def test_what_an_earlier_owner_cancelled_after_all_is_not_said_to_stand() -> None:
    it = bench(GRANTED)
    it.network.books["void"] = GRANTED
    await it.run(VOID)
    assert it.network.calls == ["look up void", "perform void", "look up auth"]
    assert it.log.results == [("auth", GRANTED), ("void", GRANTED)]


async def test_a_cancellation_of_an_earlier_owner_in_flight_is_waited_for_though_the_customer_has_confirmed() -> None:
    it = bench(GRANTED)
    async with it.runner as runner:
        it.time.by_hand = True
        runner.submit(PARTITION, [VOID], resumed=True)
        await until(lambda: it.time.waits_seconds == [IN_FLIGHT_SECONDS])
        it.network.books["void"] = GRANTED  # what the earlier owner sent has arrived
        it.time.pass_(IN_FLIGHT_SECONDS)
        await asyncio.wait_for(runner.drain(), 10)
    assert it.log.results == [("auth", GRANTED), ("void", GRANTED)]


async def test_what_was_confirmed_stays_where_no_cancellation_of_an_earlier_owner_arrives() -> None:
    it = bench(GRANTED)
    async with it.runner as runner:
        runner.submit(PARTITION, [VOID], resumed=True)
        await asyncio.wait_for(runner.drain(), 10)
    assert it.network.calls == ["look up void", "look up auth"] * 2
    assert it.log.results == [("auth", GRANTED), ("void", NOT_VOIDED)]


async def test_a_refused_cancellation_is_reported_as_it_is_after_what_was_confirmed_meanwhile() -> None:
    refused = ProcessorResult("failed", "auth_1", "try_later")
    for stands, told in ((ASKS_FOR_ACTION, []), (GRANTED, [("auth", GRANTED)])):
        it = bench(stands)
        it.network.books["void"] = refused
        await it.run(VOID)
        assert it.log.results == [*told, ("void", refused)]


async def test_nothing_is_cancelled_before_it_is_known_whether_it_was_confirmed() -> None:
    it = bench(GRANTED)
    it.network.look_up_fates["auth"].extend([OutcomeUnknownError("lost"), NotSentError("busy"), OSError("odd")])
    await it.run(VOID)
    assert "perform void" not in it.network.calls
    assert it.log.results == [("auth", GRANTED), ("void", NOT_VOIDED)]


async def test_once_it_was_asked_for_a_cancellation_is_seen_through() -> None:
    it = bench(ASKS_FOR_ACTION)
    it.network.fates["void"].append(Fate.REQUEST_LOST)
    await it.run(VOID)
    assert it.network.calls[2:] == ["perform void", "look up void", "perform void", "look up auth"]
    assert it.log.results == [("void", GRANTED)]


async def test_who_loses_the_partition_while_looking_cancels_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    it = bench(ASKS_FOR_ACTION)
    look_up = it.network.look_up

    async def lost_meanwhile(asked: Operation) -> ProcessorResult | None:
        it.runner.forget(PARTITION)
        return await look_up(asked)

    monkeypatch.setattr(it.network, "look_up", lost_meanwhile)
    await it.run(VOID)
    assert it.network.calls == ["look up void", "look up auth"]
    assert it.log.results == []


async def test_both_answers_survive_a_publisher_that_fails() -> None:
    it = bench(GRANTED, refusals=2)
    await it.run(VOID)
    assert it.log.results == [("auth", GRANTED), ("void", NOT_VOIDED)]
