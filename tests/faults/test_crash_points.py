"""A room is stopped after each single visible step of an order's saga; the next owner ends it as if nothing had happened."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from typing_extensions import override

from consumers.payments.http_processor import HttpProcessor
from consumers.payments.processor import Operation, ProcessorResult
from consumers.payments.room import PaymentsRoom
from consumers.runtime.room import Room
from infra.base.rooms import ROOMS
from infra.base.settings import Settings
from infra.local.supervisor import PROCESSOR
from producers.publisher import Publisher
from schemas import messages as m
from schemas.codec.wire import decode
from schemas.ids import new_order_id
from tests.faults.stage import Outcome, Stage
from tests.faults.stories import SILENT, STORIES, UNCONCERNED, Story
from tests.harness.crashing import (
    DeadError,
    Moment,
    Trap,
    TrappedProcessor,
    live_until_death,
    moments_of,
    room_of,
    trapped,
)
from tests.harness.shop import Shop, in_miniature, open_shop
from tests.harness.subscriber import SECRET, listening
from tests.samples import EVERYTHING
from topology.topics import ORDER_EVENTS

SEED = 20_262
_SUBSCRIBE = "INSERT INTO webhook_subscriptions (subscription_id, url, secret) VALUES ('s', $1, $2)"
_PENDING = "SELECT count(*) FROM payment_attempts WHERE operation_id = $1 AND result = 'pending'"


CONCERNED = tuple(room for room in ROOMS if room != "catalogue")
"""The rooms that an order concerns."""
EACH_TIME = "payments"
"""Of these, the one with the most moments to die at, where a death could move money twice."""


SHORT_STORY = "cancelled when it was paid"
"""What each change plays: money is taken and given back, in a third of the steps of the longest."""


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, partitions=1), tmp_path) as opened:
        await opened.supervisor.start(PROCESSOR)
        yield opened


@asynccontextmanager
async def staged(shop: Shop, *missing: str) -> AsyncIterator[Stage]:
    """Run every room but these."""
    async with AsyncExitStack() as owners:
        subscriber = await owners.enter_async_context(listening())
        await shop.database.execute(_SUBSCRIBE, subscriber.url, SECRET)
        for name in set(ROOMS) - set(missing):
            owner = await owners.enter_async_context(trapped(shop, name, Trap()))
            await owners.enter_async_context(shop.owning(owner))
        yield Stage(shop, subscriber)


async def survives(
    stage: Stage, room: str, story: Story, trap: Trap, make: Callable[..., Room[Any]] = room_of
) -> Outcome | None:
    """Let a room die in the trap and another take over; return what is left, or None where nobody came that far."""
    request = await stage.ready(story)
    life = asyncio.create_task(stage.live(story, request))
    try:
        async with trapped(stage.shop, room, trap, make) as owner:
            died = await live_until_death(owner, trap, life)
        if died:
            async with trapped(stage.shop, room, Trap(), make) as heir, stage.shop.owning(heir):
                await life
        await life
    finally:
        life.cancel()
    return await stage.outcome(request) if died else None


async def undisturbed(stage: Stage, room: str, story: Story) -> Outcome:
    """Return what is left of an order when nobody dies."""
    request = await stage.ready(story)
    async with trapped(stage.shop, room, Trap()) as owner, stage.shop.owning(owner):
        await stage.live(story, request)
    return await stage.outcome(request)


@pytest.mark.parametrize(
    "room", [room if room == EACH_TIME else pytest.param(room, marks=pytest.mark.release) for room in CONCERNED]
)
async def test_whoever_dies_at_a_step_drawn_by_lot_is_succeeded_without_a_trace(shop: Shop, room: str) -> None:
    draw = random.Random(f"{SEED} {room}")
    name = draw.choice(list(STORIES)[:2] if EVERYTHING else [SHORT_STORY])
    async with staged(shop, room) as stage:
        expected = await undisturbed(stage, room, STORIES[name])
        for moment in moments_of(room):
            number = draw.randint(1, 3)
            outcome = await survives(stage, room, STORIES[name], Trap(moment, number))
            assert outcome == expected, f"{name}, {room} died {moment} number {number}"
    await shop.assert_sound()


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    ("room", "name"), [pair for pair in itertools.product(CONCERNED, STORIES) if pair not in UNCONCERNED]
)
async def test_whoever_dies_at_any_step_of_any_story_is_succeeded_without_a_trace(
    shop: Shop, room: str, name: str, record_property: Callable[[str, object], None]
) -> None:
    died = Counter[Moment]()
    async with staged(shop, room) as stage:
        expected = await undisturbed(stage, room, STORIES[name])
        for moment in moments_of(room):
            for number in itertools.count(1):
                outcome = await survives(stage, room, STORIES[name], Trap(moment, number))
                if outcome is None:
                    break
                died[moment] += 1
                assert outcome == expected, f"{room} died {moment} number {number}"
    record_property("crash points", f"{died.total()}: {', '.join(f'{n} {moment}' for moment, n in died.items())}")
    never = {moment for moment in moments_of(room) if not died[moment]}
    assert never == ({Moment.BEFORE_PUBLISH, Moment.AFTER_PUBLISH} if (room, name) in SILENT else set())
    await shop.assert_sound()


class RecordingProcessor(HttpProcessor):
    """Looks in the database, as anybody may, for the attempt that it is asked to perform."""

    shop: Shop

    @override
    async def perform(self, operation: Operation) -> ProcessorResult:
        assert await self.shop.value(_PENDING, operation.operation_id), "asked before it was written down and committed"
        return await super().perform(operation)


async def test_the_processor_is_asked_after_the_commit_and_its_answer_is_read_back_from_the_log(shop: Shop) -> None:
    def witnessed(shop: Shop, _: str, publisher: Publisher, trap: Trap) -> Room[Any]:
        del trap
        processor = RecordingProcessor(shop.supervisor.processor_url)
        processor.shop = shop
        return PaymentsRoom(processor, publisher)

    story = STORIES["cancelled when it was paid"]
    async with staged(shop, "payments") as stage:
        request = await stage.ready(story)
        async with trapped(shop, "payments", Trap(), witnessed) as owner, shop.owning(owner):
            await stage.live(story, request)
    answers = [decode(record.value or b"") for record in await shop.records(ORDER_EVENTS)]
    results = {answer.operation_id: answer.result for answer in answers if isinstance(answer, m.RecordPaymentResult)}
    assert results == dict.fromkeys(
        (f"{request.order_id}:{kind}" for kind in ("authorize", "capture", "refund")), "succeeded"
    )


class RoomWithoutCache(PaymentsRoom):
    """Asks the processor for nothing that an earlier owner had begun."""

    @override
    async def claimed(self, *_: object) -> None:
        pass


class Keyless(HttpProcessor):
    """Makes up an idempotency key for each request."""

    trap = Trap()

    @override
    async def perform(self, operation: Operation) -> ProcessorResult:
        self.trap.check()
        fresh = f"{operation.operation_id}:{new_order_id()}"
        result = await super().perform(msgspec.structs.replace(operation, operation_id=fresh))
        self.trap.reach(Moment.AFTER_CALL)
        return result

    @override
    async def look_up(self, operation: Operation) -> ProcessorResult | None:
        self.trap.check()
        return None


@pytest.mark.release
async def test_without_resuming_what_was_begun_the_order_is_stuck(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_cache(shop: Shop, _: str, publisher: Publisher, trap: Trap) -> Room[Any]:
        processor = TrappedProcessor(shop.supervisor.processor_url)
        processor.trap = trap
        return RoomWithoutCache(processor, publisher)

    monkeypatch.setattr("tests.harness.shop.PATIENCE_SECONDS", 4.0)
    story = STORIES["not captured"]
    async with staged(shop, "payments") as stage:
        request = await stage.ready(story)
        life = asyncio.create_task(stage.live(story, request))
        trap = Trap(Moment.BEFORE_CALL)
        async with trapped(shop, "payments", trap, without_cache) as owner:
            assert await live_until_death(owner, trap, life)
        async with trapped(shop, "payments", Trap(), without_cache) as heir, shop.owning(heir):
            await asyncio.wait({life}, timeout=4)
            assert await shop.state(request) == ("reserved", "")
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)


@pytest.mark.release
async def test_without_one_key_for_each_operation_the_money_is_held_twice_and_that_is_seen(shop: Shop) -> None:
    def keyless(shop: Shop, _: str, publisher: Publisher, trap: Trap) -> Room[Any]:
        processor = Keyless(shop.supervisor.processor_url)
        processor.trap = trap
        return PaymentsRoom(processor, publisher)

    story = STORIES["cancelled when it was paid"]
    async with staged(shop, "payments") as stage:
        expected = await undisturbed(stage, "payments", story)
        outcome = await survives(stage, "payments", story, Trap(Moment.AFTER_CALL, 1), keyless)
    assert outcome is not None
    assert len(expected.books) == 1
    assert len(outcome.books) == 2
    assert "money_ledger_balances" in (await shop.audit()).breaches


def test_a_trap_springs_once_and_nobody_works_on_after_it() -> None:
    trap = Trap(Moment.BEFORE_CALL, 2)
    trap.reach(Moment.BEFORE_CALL)
    trap.reach(Moment.AFTER_CALL)
    with pytest.raises(DeadError):
        trap.reach(Moment.BEFORE_CALL)
    with pytest.raises(DeadError):
        trap.reach(Moment.BEFORE_PUBLISH)
