"""That the batched row lock, the strongest design beside ours, is a design that one could run: nothing sold twice or missing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from infra.base.settings import Settings
from schemas.codec.wire import message_type
from schemas.ids import new_order_id
from schemas.messages import LineRejected, LineReserved, PlaceOrderLine
from tests.benchmarks.baselines.row_lock_batched import Batch, Till, batch_of
from tests.benchmarks.baselines.source import Order
from tests.benchmarks.harness.baseline import PostgresBaseline

pytestmark = pytest.mark.release

UNITS = {"MUG": 5, "TEA": 100}


class Published:
    """Takes what a lane would publish."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[bytes, type]] = []

    def put(self, row: int, key: bytes, payload: bytes) -> None:
        assert row > 0
        self.outcomes.append((key, message_type(payload)))


@pytest_asyncio.fixture
async def database(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        await connection.execute(PostgresBaseline.tables.read_text())
        await connection.executemany("INSERT INTO stock (sku, on_hand) VALUES ($1, $2)", UNITS.items())
        yield connection
    finally:
        await connection.close()


def batch(*skus: str) -> Batch:
    """Return orders of one unit each."""
    commands = [PlaceOrderLine(new_order_id(), 1, 1, sku, 1, 1, 1999, "GBP", "c-1", "tok_ok", 60) for sku in skus]
    return batch_of([Order((0, at), command, 1_000) for at, command in enumerate(commands)])


async def reserved(database: asyncpg.Connection) -> dict[str, int]:
    return {row["sku"]: row["reserved"] for row in await database.fetch("SELECT sku, reserved FROM stock ORDER BY sku")}


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_batch_that_is_delivered_again_is_decided_once(database: asyncpg.Connection, times: int) -> None:
    published = Published()
    till, orders = Till(database, published), batch("MUG", "TEA", "MUG")

    for _ in range(times):
        await till.sell(orders)

    assert await reserved(database) == {"MUG": 2, "TEA": 1}
    assert published.outcomes == [(key, LineReserved) for key in orders.keys]


async def test_where_units_run_out_the_first_orders_get_them_and_the_others_a_refusal(
    database: asyncpg.Connection,
) -> None:
    published = Published()
    orders = batch(*["MUG"] * 8, "TEA")

    await Till(database, published).sell(orders)

    assert await reserved(database) == {"MUG": 5, "TEA": 1}
    assert [kind for _, kind in published.outcomes] == [LineReserved] * 5 + [LineRejected] * 3 + [LineReserved]
    assert [key for key, _ in published.outcomes] == orders.keys


async def test_a_batch_of_which_a_part_was_decided_before_decides_the_rest(database: asyncpg.Connection) -> None:
    published = Published()
    till, orders = Till(database, published), batch("MUG", "MUG", "TEA")
    await till.sell(batch_of(orders.orders[:1]))

    await till.sell(orders)

    assert await reserved(database) == {"MUG": 2, "TEA": 1}
    assert sorted(key for key, _ in published.outcomes) == sorted(orders.keys)


async def test_an_unknown_sku_is_refused_and_the_others_are_sold(database: asyncpg.Connection) -> None:
    published = Published()

    await Till(database, published).sell(batch("MUG", "UNKNOWN"))

    assert await reserved(database) == {"MUG": 1, "TEA": 0}
    assert [kind for _, kind in published.outcomes] == [LineReserved, LineRejected]
