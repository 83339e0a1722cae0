"""The audit and the replay on a real system: sound as it runs, and every row changed behind its back is seen."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from consumers.runtime.deciding.decision import outgoing
from infra.base.connections import redis_client
from infra.base.settings import Settings
from infra.cli.output import FAILED
from infra.ops.audit.history import DecisionFilter, history
from infra.ops.audit.report import NAMES, Report
from infra.ops.audit.run import verify
from infra.ops.errors import UnreadableError
from schemas import messages as m
from tests.harness.cli import lastunit
from tests.harness.shop import Shop, in_miniature, open_shop, order
from topology.rules import NEWEST

REPLAY = "replay_gives_the_same_decisions"
VIEWS = "timelines_have_every_event"


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def trade(shop: Shop) -> None:
    """Let some orders be paid, refused and undone."""
    await shop.receive(MUG=5, TIN=3)
    await shop.place(
        order(("MUG", 2), ("TIN", 1)),
        order(("MUG", 1), token="tok_declined"),
        order(("TIN", 1), token="tok_capture_fails"),
        order(("MUG", 9)),
    )
    await shop.until_quiet(orders=4)


async def test_a_system_that_traded_is_sound_until_its_rows_are_changed(shop: Shop) -> None:
    async with shop.running():
        await trade(shop)
        report = await shop.audit()
        assert report.breaches == set(), [finding for finding in report.findings if not finding.holds]
        assert tuple(report.invariants) == NAMES
        figures = report.finding("nothing_oversold").figure
        assert (figures["units_received"], figures["units_sold"], figures["units_available"]) == (8, 3, 5)
        assert report.finding("money_ledger_balances").figure["books_compared"] == 4

        await shop.value("UPDATE stock SET on_hand = on_hand + 1 WHERE sku = 'MUG'")
        level = {"on_hand_is_the_sum_of_movements", "nothing_oversold", REPLAY}
        assert (await shop.audit()).breaches == level
        await shop.value("UPDATE stock SET on_hand = on_hand - 1 WHERE sku = 'MUG'")

        await shop.value("UPDATE payments SET state = 'authorized' WHERE state = 'voided'")
        assert (await shop.audit()).breaches == {"money_ledger_balances", REPLAY}
        await shop.value("UPDATE payments SET state = 'voided' WHERE state = 'authorized'")

        await shop.value("UPDATE orders SET reason = 'bad luck' WHERE state = 'rejected'")
        assert (await shop.audit()).breaches == {REPLAY}


async def test_a_system_in_motion_is_sound(shop: Shop) -> None:
    await shop.receive(MUG=100)
    async with shop.running():
        async with asyncio.TaskGroup() as at_once:
            at_once.create_task(shop.place(*(order(("MUG", 1), ("MUG", 1)) for _ in range(100))))
            for _ in range(4):
                await shop.assert_sound()
        await shop.until_quiet(orders=100)
    await shop.assert_sound()


async def test_the_replay_shows_an_orders_decisions_as_they_were_published(shop: Shop) -> None:
    request = order(("MUG", 2))
    async with shop.running():
        await trade(shop)
        await shop.place(request)
        await shop.until_quiet(orders=5)
    steps = [step async for step in history(shop.settings, DecisionFilter(order_id=request.order_id))]
    assert all(step.difference is None for step in steps)
    placed = steps[0]
    assert (placed.input, [outcome.type for outcome in placed.outcomes]) == ("PlaceOrderLine", ["LineReserved"])
    assert placed.before == {"MUG": "3 available, 0 reserved, 2 allocated"}
    assert placed.after == {"MUG": "1 available, 2 reserved, 2 allocated"}
    assert "OrderPaid" in [outcome.type for step in steps for outcome in step.outcomes]
    received = [step async for step in history(shop.settings, DecisionFilter(room="inventory", sku="TIN"))]
    assert {step.facts["sku"] for step in received} == {"TIN"}
    before = [
        step async for step in history(shop.settings, DecisionFilter(room="inventory", until_ms=placed.at_ms - 1))
    ]
    assert placed.position not in {step.position for step in before}


async def test_the_commands_print_what_holds_and_fail_on_a_breach(shop: Shop) -> None:
    async with shop.running():
        await trade(shop)
    environment = {**os.environ, **shop.settings.environment()}
    verified = await lastunit(environment, "verify", "--json")
    assert verified.status == 0, verified.errors
    assert verified.json["invariants"] == dict.fromkeys(NAMES, True)
    assert "Every invariant holds." in (await lastunit(environment, "verify")).output
    replayed = await lastunit(environment, "replay", "--sku", "MUG")
    assert replayed.status == 0, replayed.errors
    assert "decisions, all equal to the published events" in replayed.output
    *steps, verdict = (await lastunit(environment, "replay", "--all", "--json")).json_lines
    assert {each["version"] for each in verdict.pop("rules")} == {NEWEST}
    assert verdict == {"decisions": len(steps), "equal": True, "first_difference": None, "by_facts": 0}
    alone = await lastunit(environment, "replay")
    assert alone.output == (
        f"{len(steps)} decisions, all equal to the published events\nRules: version {NEWEST} everywhere\n"
    )

    await shop.value("UPDATE stock SET on_hand = on_hand + 1 WHERE sku = 'MUG'")
    verified = await lastunit(environment, "verify")
    assert verified.status == FAILED
    assert "MUG: on_hand is 6, its movements sum up to 5" in verified.output


async def test_another_namespace_is_reported_missing(shop: Shop) -> None:
    with pytest.raises(UnreadableError, match="There is no topic"):
        await verify(shop.settings.model_copy(update={"namespace": "nowhere."}))


async def test_a_second_content_under_one_id_is_seen_in_the_replay(shop: Shop) -> None:
    request = order(("MUG", 1))
    await shop.receive(MUG=1)
    await shop.place(request)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
        [step] = [
            step async for step in history(shop.settings, DecisionFilter(room="inventory", order_id=request.order_id))
        ]
        await forge(shop, m.OrderPaid(request.order_id, 1, "GBP"), f"{step.position}/0")
        [step] = [
            step async for step in history(shop.settings, DecisionFilter(room="inventory", order_id=request.order_id))
        ]
        assert step.difference is not None
        report = await shop.audit()
    assert {"each_command_took_effect_once", "no_position_decided_twice"} <= report.breaches


async def forge(shop: Shop, message: m.Message, event_id: str) -> None:
    await shop.publisher.publish([outgoing(message, event_id.encode())])


async def test_a_timeline_that_lost_an_event_is_found(shop: Shop) -> None:
    request = order(("MUG", 1))
    await shop.receive(MUG=1)
    await shop.place(request)
    async with shop.running():
        await shop.until_quiet(orders=1)
        await shop.supervisor.start("views")

        async def caught_up() -> Report | None:
            report = await shop.audit()
            return report if report.finding(VIEWS).figure == {"orders": 1, "unread_events": 0} else None

        report = await shop.until(caught_up)
        assert report.holds
        async with redis_client(shop.settings) as redis:
            key = f"{shop.settings.namespace}order:{request.order_id}"
            [offset, *_] = sorted(int(field) for field in await redis.hkeys(key))
            await redis.hdel(key, str(offset))
        report = await shop.audit()
    assert report.breaches == {VIEWS}
    assert report.finding(VIEWS).examples[0].startswith(f"the timeline of {request.order_id} has ")
