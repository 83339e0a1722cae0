"""Rooms behind one reader decide what they decide alone, and can be taken apart and put together again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from typing_extensions import override

from consumers.errors import OtherGroupError
from consumers.orders.room import OrdersRoom
from consumers.orders.state import Order
from consumers.runtime import batch_decider
from consumers.runtime.order_keyed import OrderKeyedState
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres.commit import commit_statement
from infra.base.rooms import FOLLOWERS, replayed_rooms
from infra.base.settings import Settings
from infra.local.supervisor import PROCESSOR
from infra.ops.lag import lag_monitor
from producers.clients.orders import OrderRequest
from schemas import messages as m
from schemas.codec.wire import decode, encode
from tests.harness.foreign_producers import append, transactions
from tests.harness.raw import RawRecord
from tests.harness.shop import PARTITIONS, Shop, in_miniature, open_shop, order
from topology.topics import DEAD_LETTERS, ORDER_EVENTS, ORDER_NOTIFICATIONS

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:confluent_kafka")

ROOMS = FOLLOWERS
LONG_SECONDS = 10_000.0


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        await opened.supervisor.start(PROCESSOR)
        await opened.receive(MUG=500, TIN=500)
        yield opened


@asynccontextmanager
async def hosted(shop: Shop, rooms: Sequence[Any] = (), **changes: Any) -> AsyncIterator[PartitionOwner]:
    """Run the saga's rooms behind one reader, inventory beside them."""
    owner = PartitionOwner(list(rooms) or [shop.room(name) for name in ROOMS], shop.options(**changes), shop.publisher)
    async with shop.running("inventory"), shop.owning(owner):
        yield owner


def orders(count: int) -> list[OrderRequest]:
    return [order(("MUG", 1), ("TIN", 1)) for _ in range(count)]


async def test_orders_are_paid_and_every_room_moves_its_position_though_nothing_concerns_it(shop: Shop) -> None:
    async with hosted(shop):
        await shop.place(*orders(20), order(("MUG", 999)))
        await shop.until_quiet("inventory", *ROOMS, orders=21)
        report = await shop.audit()
    assert report.holds, [finding for finding in report.findings if not finding.holds]
    assert await shop.value("SELECT count(*) FROM orders WHERE state = 'paid'") == 20


async def test_a_room_that_gathers_decides_many_records_in_one_step(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here it would gather for ever: it decides when its process ends."""
    monkeypatch.setattr(batch_decider, "PATIENCE_SECONDS", LONG_SECONDS)
    async with hosted(shop, watchdog_seconds=LONG_SECONDS) as owner:
        await shop.place(*orders(5))
        await shop.until(lambda: _holds(owner, 5))
        costs = owner.costs.by_room
        assert costs["orders"].steps > costs["notifications"].steps == 0
        assert owner.costs.lags(owner._consumer)["notifications"] > 0
    assert costs["notifications"].steps == 1
    assert len(await shop.records(ORDER_NOTIFICATIONS)) == 5
    async with hosted(shop):
        await shop.until_quiet("inventory", *ROOMS, orders=5)
    await shop.assert_sound()


async def test_what_a_room_has_gathered_is_read_again_after_a_rebalance(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_decider, "PATIENCE_SECONDS", LONG_SECONDS)
    async with hosted(shop, watchdog_seconds=LONG_SECONDS) as first:
        await shop.place(*orders(5))
        await shop.until(lambda: _holds(first, 5))
        second = PartitionOwner([shop.room(name) for name in ROOMS], first.options, shop.publisher)
        async with shop.owning(second):
            await shop.until(lambda: _shared(first, second))
    monkeypatch.undo()
    async with hosted(shop):
        await shop.until_quiet("inventory", *ROOMS, orders=5)
    assert len(await shop.records(ORDER_NOTIFICATIONS)) == 5
    await shop.assert_sound()


async def _holds(owner: PartitionOwner, paid: int) -> bool:
    """Tell whether notifications have got the events of so many paid orders, and have decided none."""
    held = [each for hosted in owner._claims.values() for claim in hosted.claims for each in claim.held]
    return sum(isinstance(message, m.OrderPaid) for each in held for _, message in each.readings) == paid


async def _shared(*owning: PartitionOwner) -> bool:
    return sum(len(owner._claims) for owner in owning) == PARTITIONS and all(owner._claims for owner in owning)


async def test_rooms_are_put_together_and_taken_apart_wherever_each_of_them_stands(shop: Shop) -> None:
    """Each of them stands elsewhere before: some have not run at all."""
    await shop.place(*orders(5))
    async with shop.running("inventory", "orders"):
        await shop.until_quiet("inventory", "orders")
    async with hosted(shop):
        await shop.place(*orders(5))
        await shop.until_quiet("inventory", *ROOMS, orders=10)
        await shop.place(*orders(5))
    async with shop.running("inventory", *ROOMS):
        await shop.place(*orders(5))
        await shop.until_quiet("inventory", *ROOMS, orders=20)
    async with hosted(shop):
        await shop.until_quiet("inventory", *ROOMS, orders=20)
        await shop.assert_sound()


async def test_what_cannot_be_read_is_kept_by_each_room_that_would_have_read_it_alone(shop: Shop) -> None:
    nonsense: RawRecord = (orders(1)[0].order_id.encode(), b"nonsense", [])
    await append(shop, [nonsense], ORDER_EVENTS)
    async with hosted(shop):
        await shop.place(*orders(1))
        await shop.until_quiet("inventory", *ROOMS, orders=1)
    letters = [decode(record.value) for record in await shop.records(DEAD_LETTERS)]
    assert sorted(letter.room for letter in letters if isinstance(letter, m.DeadLetter)) == sorted(ROOMS)


async def test_markers_of_strangers_transactions_hold_no_room_up(shop: Shop) -> None:
    """A marker takes an offset and holds no record; here the rooms' positions have to pass one each time."""
    never_seen: RawRecord = (b"never", encode(m.OrderPaid("never", 500, "GBP")), [])
    async with hosted(shop), transactions(shop) as stranger:
        for number in (1, 2):
            await stranger.begin()
            await stranger.say(never_seen, ORDER_EVENTS, home=number - 1)
            await stranger.abort()
            await shop.place(*orders(3))
            await shop.until_quiet("inventory", *ROOMS, orders=3 * number)
    assert await shop.records(DEAD_LETTERS) == []
    await shop.assert_sound()


async def test_one_room_whose_claim_is_taken_gives_the_partition_up_for_all_and_they_go_on(shop: Shop) -> None:
    async with hosted(shop):
        await shop.place(*orders(3))
        await shop.until_quiet("inventory", *ROOMS, orders=3)
        taken = await shop.database.fetch(
            "UPDATE claims SET epoch = epoch + 1 WHERE room = 'fulfilment' RETURNING partition, epoch"
        )
        before = await shop.value("SELECT min(epoch) FROM claims WHERE room = 'orders'")
        await shop.place(*orders(12))
        await shop.until_quiet("inventory", *ROOMS, orders=15)
        claimed_anew = "SELECT count(*) FROM claims WHERE room = 'orders' AND epoch > $1"
        assert len(taken) == PARTITIONS
        assert await shop.value(claimed_anew, before) >= 1
    assert await shop.value("SELECT count(*) FROM orders WHERE state = 'paid'") == 15
    await shop.assert_sound()


async def test_a_statement_of_many_rooms_is_prepared_once_which_asyncpg_by_itself_does_not(shop: Shop) -> None:
    statement = commit_statement(tuple(room.save for room in replayed_rooms() if room.name in ROOMS))
    as_long = f"SELECT $1::integer -- {'x' * len(statement)}"
    kept = "SELECT count(*) FROM pg_prepared_statements WHERE statement = $1"

    async def kept_by(connection: Any) -> Any:
        for number in range(2):
            assert await connection.fetchval(as_long, number) == number
        return await connection.fetchval(kept, as_long)

    async with hosted(shop) as owner:
        assert await owner._database.run("commit", kept_by) == 1
    async with shop.database.acquire() as by_itself:
        assert await kept_by(by_itself) == 0


class OrdersWithoutCache(OrdersRoom):
    """Orders that loads nothing until it must, so that whatever it knows already violates its table's key."""

    _must_load = False

    @override
    async def load(
        self,
        connection: asyncpg.Connection,
        loads: Sequence[tuple[OrderKeyedState[Order], Sequence[Any]]],
        *,
        thorough: bool,
    ) -> None:
        self._must_load |= thorough
        if self._must_load:
            await super().load(connection, loads, thorough=thorough)


@pytest.mark.release
async def test_after_a_unique_violation_all_rooms_go_back_and_decide_the_same_again(shop: Shop) -> None:
    async with hosted(shop):
        requests = orders(3)
        await shop.place(*requests)
        await shop.until_quiet("inventory", *ROOMS, orders=3)
    rooms = [OrdersWithoutCache() if name == "orders" else shop.room(name) for name in ROOMS]
    with capture_logs() as logs:
        async with hosted(shop, rooms, batch_records=7), shop.running("intake"):
            await shop.say(*(m.CancelOrder(each.order_id, "customer", "changed my mind") for each in requests))
            await shop.place(*orders(3))
            await shop.until_quiet("inventory", *ROOMS, orders=6)
    assert [log for log in logs if log["event"] == "decided_anew"]
    await shop.assert_sound()
    assert await shop.value("SELECT count(*) FROM orders WHERE state = 'cancelled'") == 3


@pytest.mark.release
async def test_a_room_that_runs_alone_as_well_stops_one_of_the_two_with_a_message(shop: Shop) -> None:
    host = PartitionOwner([shop.room(name) for name in ROOMS], shop.options(), shop.publisher)
    hosting = asyncio.create_task(host.run())
    async with shop.running("inventory"):
        await shop.place(*orders(1))
        await shop.until(lambda: shop.value("SELECT count(*) = 1 FROM orders WHERE state = 'paid'"))
        async with shop.owning(PartitionOwner(shop.room("orders"), shop.options(), shop.publisher)):
            await shop.until(lambda: shop.value("SELECT min(epoch) > 1 FROM claims WHERE room = 'orders'"))
            await shop.place(*orders(6))
            with pytest.raises(OtherGroupError, match="stop the processes of one of the two groups"):
                await asyncio.wait_for(hosting, 60)


async def test_the_lag_of_each_room_is_shown_though_all_are_one_group(shop: Shop) -> None:
    async with hosted(shop):
        await shop.place(*orders(2))
        await shop.until_quiet("inventory", *ROOMS, orders=2)
        async with lag_monitor(shop.settings) as monitor:
            report = await monitor.look()
    by_room = {group.group.removeprefix(shop.settings.namespace): group for group in report.groups}
    assert {name: (by_room[name].state, by_room[name].lag, by_room[name].members) for name in ROOMS} == dict.fromkeys(
        ROOMS, ("Stable", 0, 1)
    )
