"""A room is stopped after each single visible step of an order's saga; the next owner ends it as if nothing had happened."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

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
from infra.ops.audit.checks.processor_books import read_books
from producers.clients.orders import ACCEPTED_TOKEN, OrderRequest
from producers.publisher import Publisher
from schemas import messages as m
from schemas.codec.wire import decode
from schemas.ids import new_order_id
from schemas.terms import CAPTURE_AT_SHIPPING
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
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.harness.subscriber import SECRET, Subscriber, listening
from topology.topics import ORDER_COMMANDS, ORDER_EVENTS, ORDER_NOTIFICATIONS

SEED = 20_262
_SUBSCRIBE = "INSERT INTO webhook_subscriptions (subscription_id, url, secret) VALUES ('s', $1, $2)"
_DELIVERIES = "SELECT count(*) FROM webhook_deliveries"
_HAS_GOODS = "SELECT count(*) FROM fulfilments WHERE order_id = $1"
_IN_STATE = "SELECT count(*) FROM orders WHERE order_id = $1 AND state = '{}'"
_RETURN = """
SELECT returns ? 'B1' AND coalesce(returns->'B1'->>'state', 'requested') = '{}' FROM fulfilments WHERE order_id = $1
"""
_MONEY = """
SELECT state, authorized_minor, captured_minor, voided_minor, refunded_minor FROM payments WHERE order_id = $1
"""
_PENDING = "SELECT count(*) FROM payment_attempts WHERE operation_id = $1 AND result = 'pending'"
_ATTEMPTS = "SELECT kind, amount_minor, result, reference FROM payment_attempts WHERE order_id = $1 ORDER BY 1, 2, 3, 4"


_MAY_REPEAT = {"LineCommandRefused"}
"""What was published and not acknowledged is published again: inventory says of the second that it was done."""

CONCERNED = tuple(room for room in ROOMS if room != "catalogue")
"""The rooms that an order concerns."""


class SagaStage(NamedTuple):
    """What people say once the condition (SQL about an order) is true."""

    when: str
    says: tuple[Callable[[str], m.Message], ...]


class Story(NamedTuple):
    """An order's way, from its placing to a state with nothing left to do."""

    terms: str
    token: str
    steps: tuple[SagaStage, ...]
    end: str


_SEND_AND_TAKE_BACK = (
    SagaStage(
        _HAS_GOODS,
        (lambda it: m.ShipOrder(it, "S1", (1,), "post", "T"), lambda it: m.ShipOrder(it, "S2", (), "v", "U")),
    ),
    SagaStage(
        _IN_STATE.format("shipped"),
        (lambda it: m.ConfirmDelivery(it, "S1"), lambda it: m.ConfirmDelivery(it, "S2")),
    ),
    SagaStage(_IN_STATE.format("delivered"), (lambda it: m.RequestReturn(it, "B1", (1,), "too small"),)),
    SagaStage(_RETURN.format("requested"), (lambda it: m.ApproveReturn(it, "B1"),)),
    SagaStage(_RETURN.format("approved"), (lambda it: m.ReceiveReturn(it, "B1", ()),)),
)
_REFUNDED = "SELECT count(*) FROM payments WHERE order_id = $1 AND refunded_minor > 0"
STORIES = {
    "sold and one line taken back": Story("", ACCEPTED_TOKEN, _SEND_AND_TAKE_BACK, _REFUNDED),
    "captured with each parcel": Story(CAPTURE_AT_SHIPPING, ACCEPTED_TOKEN, _SEND_AND_TAKE_BACK, _REFUNDED),
    "cancelled when it was paid": Story(
        "", ACCEPTED_TOKEN, (SagaStage(_HAS_GOODS, (lambda it: m.CancelOrder(it, "customer", "thought"),)),), _REFUNDED
    ),
    "not captured": Story("", "tok_capture_fails", (), _IN_STATE.format("cancelled")),
}

SILENT = {("fulfilment", "not captured")}
"""Who has nothing to say in which story."""


class Outcome(NamedTuple):
    """All that is left of an order, with its id left out."""

    state: str
    money: tuple[Any, ...]
    attempts: list[tuple[Any, ...]]
    books: list[tuple[int, ...]]
    events: Counter[str]
    notifications: set[str]
    levels: list[tuple[int, int, int]]


class Stage:
    """A shop with every room but one at work, a subscriber, and stories that are played there."""

    def __init__(self, shop: Shop, subscriber: Subscriber) -> None:
        self.shop = shop
        self.subscriber = subscriber
        self._numbers = itertools.count(1)

    async def ready(self, story: Story) -> OrderRequest:
        number = next(self._numbers)
        skus = (f"A{number}", f"B{number}")
        await self.shop.receive(**dict.fromkeys(skus, 5))
        return msgspec.structs.replace(order((skus[0], 2), (skus[1], 1), token=story.token), terms=story.terms)

    async def live(self, story: Story, mine: OrderRequest) -> None:
        await self.shop.place(mine)
        for step in story.steps:
            await self.shop.until(lambda step=step: self.shop.value(step.when, mine.order_id))  # type: ignore[misc]
            await self.shop.say(*(say(mine.order_id) for say in step.says))
        await self.shop.until(lambda: self.shop.value(story.end, mine.order_id))
        await self.shop.until_quiet(*ROOMS)
        await self.shop.until(self._all_delivered)

    async def _all_delivered(self) -> bool:
        return not await self.shop.value(_DELIVERIES)

    async def outcome(self, mine: OrderRequest) -> Outcome:
        """Return what is left, and see that nobody was told of nothing."""
        order_id, database = mine.order_id, self.shop.database
        books = (await read_books(self.shop.supervisor.processor_url) or {}).get(order_id, [])
        facts = {
            dict(it.headers)["ce_id"]: it.value for it in await self.shop.records(ORDER_EVENTS) if _is_of(it, mine)
        }
        told = {_notification(it.value) for it in await self.shop.records(ORDER_NOTIFICATIONS) if _is_of(it, mine)}
        assert told <= set(self.subscriber.taken)
        levels = await self.shop.levels()
        return Outcome(
            state=(await self.shop.state(mine))[0],
            money=tuple(await database.fetchrow(_MONEY, order_id) or ()),
            attempts=[tuple(row) for row in await database.fetch(_ATTEMPTS, order_id)],
            books=[(it.authorized_minor, it.captured_minor, it.voided_minor, it.refunded_minor) for it in books],
            events=Counter(
                name for value in facts.values() if (name := type(decode(value)).__name__) not in _MAY_REPEAT
            ),
            notifications={name.replace(order_id, "") for name in told},
            levels=[msgspec.structs.astuple(levels[line.sku]) for line in mine.lines],
        )


def _is_of(record: Any, mine: OrderRequest) -> bool:
    return bool(record.key == mine.order_id.encode())


def _notification(value: bytes | None) -> str:
    told = decode(value or b"")
    assert isinstance(told, m.OrderNotification)
    return told.event_id


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
    mine = await stage.ready(story)
    life = asyncio.create_task(stage.live(story, mine))
    try:
        async with trapped(stage.shop, room, trap, make) as owner:
            died = await live_until_death(owner, trap, life)
        if died:
            async with trapped(stage.shop, room, Trap(), make) as heir, stage.shop.owning(heir):
                await life
        await life
    finally:
        life.cancel()
    return await stage.outcome(mine) if died else None


async def undisturbed(stage: Stage, room: str, story: Story) -> Outcome:
    """Return what is left of an order when nobody dies."""
    mine = await stage.ready(story)
    async with trapped(stage.shop, room, Trap()) as owner, stage.shop.owning(owner):
        await stage.live(story, mine)
    return await stage.outcome(mine)


@pytest.mark.parametrize("room", CONCERNED)
async def test_whoever_dies_at_a_step_drawn_by_lot_is_succeeded_without_a_trace(shop: Shop, room: str) -> None:
    draw = random.Random(f"{SEED} {room}")
    name = draw.choice(list(STORIES)[:2])
    async with staged(shop, room) as stage:
        expected = await undisturbed(stage, room, STORIES[name])
        for moment in moments_of(room):
            number = draw.randint(1, 3)
            found = await survives(stage, room, STORIES[name], Trap(moment, number))
            assert found == expected, f"{name}, {room} died {moment} number {number}"
    await shop.assert_sound()


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("room", CONCERNED)
async def test_whoever_dies_at_any_step_of_any_story_is_succeeded_without_a_trace(
    shop: Shop, room: str, name: str, record_property: Callable[[str, object], None]
) -> None:
    died = Counter[Moment]()
    async with staged(shop, room) as stage:
        expected = await undisturbed(stage, room, STORIES[name])
        for moment in moments_of(room):
            for number in itertools.count(1):
                found = await survives(stage, room, STORIES[name], Trap(moment, number))
                if found is None:
                    break
                died[moment] += 1
                assert found == expected, f"{room} died {moment} number {number}"
    record_property("crash points", f"{died.total()}: {', '.join(f'{n} {moment}' for moment, n in died.items())}")
    never = {moment for moment in moments_of(room) if not died[moment]}
    assert never == ({Moment.BEFORE_PUBLISH, Moment.AFTER_PUBLISH} if (room, name) in SILENT else set())
    await shop.assert_sound()


class Witness(HttpProcessor):
    """Looks in the database, as anybody may, for the attempt that it is asked to perform."""

    shop: Shop

    @override
    async def perform(self, operation: Operation) -> ProcessorResult:
        assert await self.shop.value(_PENDING, operation.operation_id), "asked before it was written down and committed"
        return await super().perform(operation)


async def test_the_processor_is_asked_after_the_commit_and_its_answer_is_read_back_from_the_log(shop: Shop) -> None:
    def witnessed(shop: Shop, _: str, publisher: Publisher, trap: Trap) -> Room[Any]:
        del trap
        processor = Witness(shop.supervisor.processor_url)
        processor.shop = shop
        return PaymentsRoom(processor, publisher)

    story = STORIES["cancelled when it was paid"]
    async with staged(shop, "payments") as stage:
        mine = await stage.ready(story)
        async with trapped(shop, "payments", Trap(), witnessed) as owner, shop.owning(owner):
            await stage.live(story, mine)
    answers = [decode(record.value or b"") for record in await shop.records(ORDER_COMMANDS)]
    results = {it.operation_id: it.result for it in answers if isinstance(it, m.RecordPaymentResult)}
    assert results == dict.fromkeys((f"{mine.order_id}:{it}" for it in ("authorize", "capture", "refund")), "succeeded")


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
        mine = await stage.ready(story)
        life = asyncio.create_task(stage.live(story, mine))
        trap = Trap(Moment.BEFORE_CALL)
        async with trapped(shop, "payments", trap, without_cache) as owner:
            assert await live_until_death(owner, trap, life)
        async with trapped(shop, "payments", Trap(), without_cache) as heir, shop.owning(heir):
            await asyncio.wait({life}, timeout=4)
            assert await shop.state(mine) == ("reserved", "")
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
        found = await survives(stage, "payments", story, Trap(Moment.AFTER_CALL, 1), keyless)
    assert found is not None
    assert len(expected.books) == 1
    assert len(found.books) == 2
    assert "money_ledger_balances" in (await shop.audit()).breaches


def test_a_trap_springs_once_and_nobody_works_on_after_it() -> None:
    trap = Trap(Moment.BEFORE_CALL, 2)
    trap.reach(Moment.BEFORE_CALL)
    trap.reach(Moment.AFTER_CALL)
    with pytest.raises(DeadError):
        trap.reach(Moment.BEFORE_CALL)
    with pytest.raises(DeadError):
        trap.reach(Moment.BEFORE_PUBLISH)
