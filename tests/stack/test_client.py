"""lastunit_client against real rooms: commands, outcomes, and a broker that is away."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka.conn import create_conn

from infra.base.settings import Settings
from lastunit_client import (
    BlockingClient,
    Client,
    Delivery,
    InvalidRequestError,
    OrderLine,
    OrderPendingError,
    OrderRequest,
    ProductDraft,
    UnknownOutcomeError,
)
from lastunit_client.commands import RefundOrder, SetPurchaseLimit, ShipOrder, commands_for, new_command_id
from schemas.codec.wire import decode
from schemas.ids import new_order_id
from schemas.messages import PlaceOrderLine, SetPrice, Variant
from tests.harness.shop import Shop, in_miniature, open_shop
from tests.harness.tcp_proxy import TcpProxy
from topology.topics import CATALOGUE_COMMANDS, INVENTORY_COMMANDS, ORDER_COMMANDS, Topic

NOWHERE = "127.0.0.1:1"
SPOOLED_BEFORE_THE_KILL = 30


def an_order(sku: str = "MUG", quantity: int = 1) -> OrderRequest:
    return OrderRequest(customer_id="c", lines=(OrderLine(sku, quantity, 100),))


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path / "shop") as opened:
        yield opened


def client_of(shop: Shop, bootstrap: str | None = None, **options: Any) -> Client:
    return Client(bootstrap or shop.settings.kafka_bootstrap, namespace=shop.settings.namespace, **options)


async def sent(shop: Shop, topic: Topic) -> list[Any]:
    return [decode(record.value) for record in await shop.records(topic)]


async def placed(shop: Shop) -> list[str]:
    return [message.order_id for message in await sent(shop, INVENTORY_COMMANDS) if isinstance(message, PlaceOrderLine)]


async def test_orders_that_anybody_placed_are_awaited_before_and_after_they_are_decided(shop: Shop) -> None:
    earlier, accepted, refused, nobodys = an_order(), an_order(), an_order(quantity=9), new_order_id()
    async with shop.running(), client_of(shop) as client:
        await client.receive_stock("MUG", 5, command_id="delivery/1")
        await shop.place(earlier)
        await shop.until_quiet(orders=1)
        assert (await client.outcome(earlier.order_id)).state == "paid"
        assert await client.place_all([accepted, refused]) is Delivery.ON_LOG
        outcomes = await asyncio.gather(
            *(client.outcome(placed_order.order_id) for placed_order in (accepted, refused, earlier))
        )
        assert [(outcome.state, outcome.reason) for outcome in outcomes] == [
            ("paid", ""),
            ("rejected", "insufficient_stock"),
            ("paid", ""),
        ]
        with pytest.raises(OrderPendingError) as pending:
            await client.outcome(nobodys, 0.5)
        assert pending.value.order.state == "unknown"
        assert await asyncio.to_thread(states_in_bulk, shop) == ["paid"] * 3 + ["rejected"]


def states_in_bulk(shop: Shop) -> list[str]:
    """Place one order more than there are units, in code without an event loop."""
    orders = [an_order() for _ in range(4)]
    with BlockingClient(client_of(shop, max_records=3)) as client:
        client.place_all(orders)
        return sorted(client.outcome(order.order_id).state for order in orders)


async def test_every_kind_of_command_reaches_its_topic_and_a_wrong_one_nobody(shop: Shop) -> None:
    order_id = new_order_id()
    draft = ProductDraft(product_id="p", title="Mug", currency="GBP", variants=(Variant("MUG", ""),))
    async with client_of(shop) as client:
        await client.cancel(order_id, reason="late")
        await client.send_all(
            [
                ShipOrder(order_id, "s-1", (), "Post", "T1"),
                SetPurchaseLimit(new_command_id("limit"), "MUG", 2),
                *commands_for(draft),
            ]
        )
        with pytest.raises(InvalidRequestError, match="amount_minor"):
            await client.send_all([ShipOrder(order_id, "s-2", (), "", ""), RefundOrder(order_id, "r", 0, "no")])
        with pytest.raises(InvalidRequestError, match="the price"):
            await client.send(SetPrice(new_command_id("price"), "p", "MUG", -1, "GBP", 0))
        with pytest.raises(InvalidRequestError, match="no command"):
            await client.send(an_order())  # type: ignore[arg-type]
    names = [
        [type(message).__name__ for message in await sent(shop, topic)]
        for topic in (ORDER_COMMANDS, CATALOGUE_COMMANDS)
    ]
    assert [[name for name in each if name != "AdoptRules"] for each in names] == [
        ["CancelOrder", "ShipOrder"],
        ["PutProduct", "PublishProduct"],
    ]


@pytest_asyncio.fixture
async def proxy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TcpProxy]:
    """A network that every connection of aiokafka in this process goes through."""
    host, _, port = (settings.kafka_bootstrap or "").partition(":")
    async with TcpProxy(host, int(port)).listening() as proxy:

        async def through_the_proxy(host: str, _: int, **options: Any) -> Any:
            return await create_conn(host, proxy.port, **options)

        monkeypatch.setattr("aiokafka.client.create_conn", through_the_proxy)
        yield proxy


def freeze(proxy: TcpProxy) -> None:
    proxy.is_frozen = True
    proxy.freeze()


def thaw(proxy: TcpProxy) -> None:
    proxy.is_frozen = False
    for line in proxy.lines:
        line.cut()


async def test_what_kafka_does_not_acknowledge_is_named_or_waits_on_disk_and_follows_in_order(
    proxy: TcpProxy, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.publisher.ATTEMPT_SECONDS", 1.0)
    orders = [an_order() for _ in range(6)]
    async with (
        client_of(shop, give_up_seconds=0.5, max_records=1) as impatient,
        client_of(shop, spool=tmp_path / "spool") as spooling,
    ):
        assert await spooling.place(orders[0]) is Delivery.ON_LOG
        freeze(proxy)
        with pytest.raises(UnknownOutcomeError) as unknown:
            await impatient.place_all(orders[1:3])
        assert (unknown.value.unknown, unknown.value.unsent) == (tuple(orders[1:2]), tuple(orders[2:3]))
        assert [await spooling.place(order) for order in orders[3:5]] == [Delivery.SPOOLED] * 2
        thaw(proxy)
        await impatient.place_all([*unknown.value.unknown, *unknown.value.unsent])
        await spooling.drained()
        assert await spooling.place(orders[5]) is Delivery.ON_LOG
    order_ids = list(dict.fromkeys(await placed(shop)))
    assert set(order_ids) == {order.order_id for order in orders}
    assert [order_id for order_id in order_ids if order_id in {orders[at].order_id for at in (0, 3, 4, 5)}] == [
        orders[at].order_id for at in (0, 3, 4, 5)
    ]


async def test_nothing_that_was_spooled_is_lost_over_kill_9(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.harness.spooling_program", str(folder)),
        env={**os.environ, "LASTUNIT_KAFKA_BOOTSTRAP": NOWHERE},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    taken = [(await process.stdout.readline()).decode().split() for _ in range(SPOOLED_BEFORE_THE_KILL)]
    process.kill()
    taken += [
        line.decode().split() for line in (await process.stdout.read()).splitlines(keepends=True) if line[-1:] == b"\n"
    ]
    await process.wait()
    assert {delivery for _, delivery in taken} == {Delivery.SPOOLED.value}

    async with client_of(shop, spool=folder) as client:
        last = an_order()
        await client.place(last)
        await client.drained()

    wanted = [order_id for order_id, _ in taken]
    order_ids = [order_id for order_id in await placed(shop) if order_id in {*wanted, last.order_id}]
    assert order_ids == [*wanted, last.order_id]
