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
    rig = Bench(refusals=refusals)
    rig.network.books["auth"] = stands
    return rig


@pytest.mark.parametrize("stands", [ASKS_FOR_ACTION, DECLINED], ids=["unconfirmed", "declined"])
async def test_what_nobody_confirmed_is_looked_up_and_cancelled(stands: ProcessorResult) -> None:
    rig = bench(stands)
    await rig.run(VOID)
    assert rig.network.calls == ["look up void", "look up auth", "perform void", "look up auth"]
    assert rig.log.results == [("void", GRANTED)]


async def test_what_was_confirmed_is_reported_and_not_cancelled() -> None:
    rig = bench(GRANTED)
    await rig.run(VOID)
    assert rig.network.calls == ["look up void", "look up auth"]
    assert rig.log.results == [("auth", GRANTED), ("void", NOT_VOIDED)]


async def test_what_was_confirmed_in_the_moment_of_its_end_is_reported_before_the_end() -> None:
    rig = bench(ASKS_FOR_ACTION)
    rig.network.gate.clear()
    async with rig.runner as runner:
        runner.submit(PARTITION, [VOID])
        await until(lambda: rig.network.in_flight == 1)
        rig.network.books["auth"] = GRANTED
        rig.network.gate.set()
        await asyncio.wait_for(runner.drain(), 10)
    assert rig.log.results == [("auth", GRANTED), ("void", GRANTED)]


async def test_what_an_earlier_owner_cancelled_after_all_is_not_reported_to_stand() -> None:
    rig = bench(GRANTED)
    rig.network.books["void"] = GRANTED
    await rig.run(VOID)
    assert rig.network.calls == ["look up void", "perform void", "look up auth"]
    assert rig.log.results == [("auth", GRANTED), ("void", GRANTED)]


async def test_a_cancellation_of_an_earlier_owner_in_flight_is_waited_for_though_the_customer_has_confirmed() -> None:
    rig = bench(GRANTED)
    async with rig.runner as runner:
        rig.time.by_hand = True
        runner.submit(PARTITION, [VOID], resumed=True)
        await until(lambda: rig.time.waits_seconds == [IN_FLIGHT_SECONDS])
        rig.network.books["void"] = GRANTED  # what the earlier owner sent has arrived
        rig.time.pass_(IN_FLIGHT_SECONDS)
        await asyncio.wait_for(runner.drain(), 10)
    assert rig.log.results == [("auth", GRANTED), ("void", GRANTED)]


async def test_what_was_confirmed_stays_where_no_cancellation_of_an_earlier_owner_arrives() -> None:
    rig = bench(GRANTED)
    async with rig.runner as runner:
        runner.submit(PARTITION, [VOID], resumed=True)
        await asyncio.wait_for(runner.drain(), 10)
    assert rig.network.calls == ["look up void", "look up auth"] * 2
    assert rig.log.results == [("auth", GRANTED), ("void", NOT_VOIDED)]


async def test_a_refused_cancellation_is_reported_as_it_is_after_what_was_confirmed_meanwhile() -> None:
    refused = ProcessorResult("failed", "auth_1", "try_later")
    for stands, expected in ((ASKS_FOR_ACTION, []), (GRANTED, [("auth", GRANTED)])):
        rig = bench(stands)
        rig.network.books["void"] = refused
        await rig.run(VOID)
        assert rig.log.results == [*expected, ("void", refused)]


async def test_nothing_is_cancelled_before_it_is_known_whether_it_was_confirmed() -> None:
    rig = bench(GRANTED)
    rig.network.look_up_fates["auth"].extend([OutcomeUnknownError("lost"), NotSentError("busy"), OSError("odd")])
    await rig.run(VOID)
    assert "perform void" not in rig.network.calls
    assert rig.log.results == [("auth", GRANTED), ("void", NOT_VOIDED)]


async def test_once_it_was_asked_for_a_cancellation_is_seen_through() -> None:
    rig = bench(ASKS_FOR_ACTION)
    rig.network.fates["void"].append(Fate.REQUEST_LOST)
    await rig.run(VOID)
    assert rig.network.calls[2:] == ["perform void", "look up void", "perform void", "look up auth"]
    assert rig.log.results == [("void", GRANTED)]


async def test_who_loses_the_partition_while_looking_cancels_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = bench(ASKS_FOR_ACTION)
    look_up = rig.network.look_up

    async def lost_meanwhile(asked: Operation) -> ProcessorResult | None:
        rig.runner.forget(PARTITION)
        return await look_up(asked)

    monkeypatch.setattr(rig.network, "look_up", lost_meanwhile)
    await rig.run(VOID)
    assert rig.network.calls == ["look up void", "look up auth"]
    assert rig.log.results == []


async def test_both_answers_survive_a_publisher_that_fails() -> None:
    rig = bench(GRANTED, refusals=2)
    await rig.run(VOID)
    assert rig.log.results == [("auth", GRANTED), ("void", NOT_VOIDED)]
