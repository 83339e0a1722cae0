"""The order views on the real broker and Redis: duplicates, losses and restarts leave the same views behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from consumers.runtime.deciding.decision import outgoing
from consumers.views import store
from consumers.views.room import OrderViews, ViewsOptions
from consumers.views.timeline import OrderView
from infra.base.settings import Settings
from infra.local.stack import Stack
from infra.ops.offsets.plan import Target
from infra.ops.offsets.resetting import RefusedResetError, carry_out, plan_reset
from producers.publisher import BY_KEY, Outgoing, Publisher
from schemas import messages as m
from schemas.ids import new_order_id
from tests.harness.topics import give_topics
from tests.harness.waiting import until
from topology.states import OrderState, PaymentState
from topology.topics import OPERATOR_ACTIONS, ORDER_EVENTS

PARTITIONS = 2


def paid_order(order_id: str) -> list[Outgoing]:
    """All that is said about an order of two lines that goes well, with derived ids."""
    facts: list[m.Message] = [
        *(
            m.LineReserved(order_id, line, 2, sku, line, 250, "GBP", "c-1", "tok_ok", 1)
            for line, sku in enumerate(("MUG", "TIN"), start=1)
        ),
        m.OrderReserved(order_id, 2, 750, "GBP", "c-1", "tok_ok"),
        m.PaymentAuthorized(order_id, "a-1", 750, "GBP"),
        *(m.LineCommitted(order_id, line, sku, line) for line, sku in enumerate(("MUG", "TIN"), start=1)),
        m.OrderPlaced(order_id, 750, "GBP"),
        m.PaymentCaptured(order_id, "a-1", 750, "GBP"),
        m.OrderPaid(order_id, 750, "GBP"),
    ]
    return [outgoing(fact, f"test/{order_id}/0/{index}".encode()) for index, fact in enumerate(facts)]


class ViewsSystem:
    """A namespace of its own with topics, a publisher, Redis, and views rooms on demand."""

    def __init__(self, settings: Settings, publisher: Publisher, redis: Redis) -> None:
        self.settings = settings
        self.publisher = publisher
        self.redis = redis
        self._running: list[asyncio.Task[None]] = []

    async def command(self, words: str) -> None:
        await self.redis.execute_command(*words.split())  # type: ignore[no-untyped-call]

    @asynccontextmanager
    async def views(self, watchdog_seconds: float = 60.0) -> AsyncIterator[OrderViews]:
        room = OrderViews(
            ViewsOptions(
                kafka_bootstrap=self.settings.kafka_bootstrap or "",
                redis_url=self.settings.redis_url or "",
                namespace=self.settings.namespace,
                session_timeout_ms=6_000,
                watchdog_seconds=watchdog_seconds,
            )
        )
        running = asyncio.create_task(room.run())
        self._running.append(running)
        try:
            yield room
        finally:
            room.stop()
            self._running.remove(running)
            await asyncio.wait_for(running, 20)

    async def view(self, order_id: str) -> OrderView | None:
        return await store.read_timeline(self.redis, self.settings.namespace, order_id)

    async def final_view(self, order_id: str) -> OrderView:
        async def final() -> OrderView | None:
            view = await self.view(order_id)
            return view if view is not None and view.is_final else None

        return await until(final, *self._running)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, and fail at once when a room has ended by itself."""
        await until(condition, *self._running)

    async def lose_redis(self) -> None:
        keys = [key async for key in self.redis.scan_iter(f"{self.settings.namespace}*")]
        await self.redis.delete(*keys)


@pytest.fixture
async def system(settings: Settings) -> AsyncIterator[ViewsSystem]:
    await give_topics(settings, ORDER_EVENTS, OPERATOR_ACTIONS, partitions=PARTITIONS)
    async with (
        Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace) as publisher,
        Redis.from_url(settings.redis_url or "") as redis,
    ):
        yield ViewsSystem(settings, publisher, redis)


async def test_an_order_is_seen_to_its_end_without_its_payment_token(system: ViewsSystem) -> None:
    order_id = new_order_id()
    async with system.views():
        await system.publisher.publish(paid_order(order_id))
        view = await system.final_view(order_id)
    assert (view.state, view.payment, view.amount_minor) == (OrderState.PAID, PaymentState.CAPTURED, 750)
    assert (view.customer_id, view.currency, view.line_count) == ("c-1", "GBP", 2)
    assert [(line.sku, line.quantity, line.state) for line in view.lines] == [
        ("MUG", 1, "committed"),
        ("TIN", 2, "committed"),
    ]
    assert [event.type for event in view.events][-1] == "OrderPaid"
    assert not any("payment_token" in event.data for event in view.events)
    assert all(event.at_ms > 1_700_000_000_000 for event in view.events)
    assert 0 < await system.redis.ttl(f"{system.settings.namespace}order:{order_id}") <= store.TTL_SECONDS


async def test_events_published_again_are_seen_once_and_take_nothing_back(system: ViewsSystem) -> None:
    order_id = new_order_id()
    published = paid_order(order_id)
    async with system.views() as room:
        await system.publisher.publish([*published, *published[:4]])
        await system.until(lambda: room.written == len(published) + 4)
        view = await system.final_view(order_id)
    assert view.state is OrderState.PAID, "the repeated OrderReserved is older news"
    assert len(view.events) == len(published)


async def test_a_running_room_rebuilds_what_redis_lost(system: ViewsSystem) -> None:
    orders = [new_order_id() for _ in range(20)]
    async with system.views() as room:
        await system.publisher.publish([record for order_id in orders for record in paid_order(order_id)])
        await system.until(lambda: room.written == len(orders) * 9)
        before = [await system.final_view(order_id) for order_id in orders]
        await system.lose_redis()
        assert await system.view(orders[0]) is None
        assert [await system.final_view(order_id) for order_id in orders] == before


async def test_a_lost_redis_is_noticed_by_a_batch_that_comes_first(system: ViewsSystem) -> None:
    early, late = new_order_id(), new_order_id()
    async with system.views() as room:
        await system.publisher.publish(paid_order(early))
        await system.until(lambda: room.written == 9)
        await system.lose_redis()
        await system.publisher.publish(paid_order(late))
        assert (await system.final_view(late)).is_final
        assert len((await system.final_view(early)).events) == 9


async def test_a_restarted_room_goes_on_where_it_was(system: ViewsSystem) -> None:
    first, second = new_order_id(), new_order_id()
    async with system.views():
        await system.publisher.publish(paid_order(first))
        await system.final_view(first)
    await system.publisher.publish(paid_order(second))
    async with system.views() as room:
        await system.final_view(second)
    assert room.written == 9, "the first order is not read again"


async def test_while_redis_is_away_the_views_wait_and_miss_nothing(system: ViewsSystem, stack: Stack) -> None:
    before, meanwhile = new_order_id(), new_order_id()
    with capture_logs() as logs:
        async with system.views() as room:
            await system.publisher.publish(paid_order(before))
            await system.final_view(before)
            await stack.valkey.kill()
            await system.publisher.publish(paid_order(meanwhile))
            await system.until(lambda: room._redis_outage._failing.get("connect", 0) >= 3)
            assert room.written == 9
            await stack.valkey.start()
            await system.redis.connection_pool.disconnect()
            assert len((await system.final_view(meanwhile)).events) == 9
    outages = [log["event"] for log in logs if log["event"].startswith("server_")]
    assert outages[-1] == "server_available"
    assert outages.count("server_available") == 1


@pytest.mark.parametrize("command", ["CONFIG SET maxmemory 1", "REPLICAOF 127.0.0.1 1"], ids=["full", "read-only"])
async def test_while_redis_takes_no_writes_the_views_wait_and_miss_nothing(system: ViewsSystem, command: str) -> None:
    before, meanwhile = new_order_id(), new_order_id()
    async with system.views(watchdog_seconds=0.5) as room:
        await system.publisher.publish(paid_order(before))
        await system.until(lambda: room.written == 9)  # the view is there before the write's answer
        await system.final_view(before)
        try:
            await system.command(command)
            await system.publisher.publish(paid_order(meanwhile))
            await system.until(lambda: room._redis_outage._failing.get("write", 0) >= 5)
            assert room.written == 9
        finally:
            await system.command("CONFIG SET maxmemory 0")
            await system.command("REPLICAOF NO ONE")
        assert len((await system.final_view(meanwhile)).events) == 9


async def test_records_that_are_skipped_count_as_progress(system: ViewsSystem) -> None:
    """A watchdog that counted events ended a room that had only records of others to pass over."""
    async with system.views() as room:
        before = room._watchdog()._progress()
        await system.publisher.publish([Outgoing(ORDER_EVENTS.name, 0, b"k", b"no avro") for _ in range(3)])
        await system.until(lambda: room.skipped == 3 and room._watchdog()._progress() >= before + 3)
        assert (room.skipped, room.written) == (3, 0)


async def test_forgotten_positions_have_the_whole_log_read_again(system: ViewsSystem) -> None:
    order_id = new_order_id()
    async with system.views() as room:
        await system.publisher.publish(paid_order(order_id))
        await system.until(lambda: room.written == 9)
        await store.forget_positions(system.redis, system.settings.namespace)
        await system.until(lambda: room.written == 18)
        assert len((await system.final_view(order_id)).events) == 9


@pytest.mark.filterwarnings("ignore::DeprecationWarning:confluent_kafka")
async def test_running_views_read_again_from_where_they_are_set_back_to_and_never_leave_records_out(
    system: ViewsSystem,
) -> None:
    order_id, group = new_order_id(), f"{system.settings.namespace}views"
    async with system.views() as room:
        await system.publisher.publish(paid_order(order_id))
        await system.until(lambda: room.written == 9)

        async def committed() -> bool:  # by which the group is known to Kafka
            try:
                reset = await plan_reset(system.settings, group, Target("earliest"))
            except RefusedResetError:
                return False
            return reset.redone == 9 + PARTITIONS  # each begins with its rules

        await until(committed)
        await carry_out(
            system.settings, await plan_reset(system.settings, group, Target("earliest")), by="ann", why="a test"
        )
        await system.until(lambda: room.written == 18)
        assert len((await system.final_view(order_id)).events) == 9
    await system.publisher.publish(paid_order(new_order_id()))
    with pytest.raises(RefusedResetError, match="would leave out"):
        await plan_reset(system.settings, group, Target("latest"))


async def test_two_processes_share_the_partitions_and_one_takes_over(system: ViewsSystem) -> None:
    orders = [new_order_id() for _ in range(40)]
    async with system.views():
        async with system.views():
            await system.publisher.publish([record for order_id in orders[:20] for record in paid_order(order_id)])
            for order_id in orders[:20]:
                await system.final_view(order_id)
        await system.publisher.publish([record for order_id in orders[20:] for record in paid_order(order_id)])
        for order_id in orders[20:]:
            assert len((await system.final_view(order_id)).events) == 9


async def test_what_is_no_event_of_ours_is_skipped_and_counted(system: ViewsSystem) -> None:
    order_id = new_order_id()
    published = paid_order(order_id)
    foreign = [
        Outgoing(ORDER_EVENTS.name, BY_KEY, order_id.encode(), b"no avro"),
        Outgoing(ORDER_EVENTS.name, BY_KEY, b"another key", published[0].value),
    ]
    async with system.views() as room:
        await system.publisher.publish([*foreign, *published])
        view = await system.final_view(order_id)
        await system.until(lambda: room.skipped == len(foreign))
    assert len(view.events) == len(published)


async def test_a_position_moves_only_from_where_it_is_believed(system: ViewsSystem) -> None:
    namespace = system.settings.namespace
    assert await store.move_positions(system.redis, namespace, [(0, None, 10), (1, None, 5)]) == set()
    assert await store.move_positions(system.redis, namespace, [(0, None, 99), (1, 5, 6)]) == {0}
    assert await store.read_positions(system.redis, namespace, [0, 1, 2]) == {0: 10, 1: 6, 2: None}
