"""What waits for a slow neighbour waits in the log or in the database, not in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typing_extensions import override

from consumers.inventory.room import InventoryRoom
from consumers.payments import room as payments
from consumers.payments.http_processor import HttpProcessor
from consumers.payments.processor import Operation
from consumers.payments.room import PaymentsRoom
from consumers.runtime import owner as owners
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres import outbox
from infra.base.settings import Settings
from infra.local.supervisor import PROCESSOR
from producers.publisher import Outgoing, Publisher
from tests.harness.shop import Shop, in_miniature, open_shop, order

ORDERS = 150
UNBOUNDED = 10**9


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, batch_records=5), tmp_path) as opened:
        yield opened


async def standstill(shop: Shop, query: str) -> int:
    """Return a figure once it has not changed for a while in which an unbounded owner would have gone on."""
    seen, since = -1, 0.0
    loop = asyncio.get_running_loop()

    async def stands() -> bool:
        nonlocal seen, since
        now = int(await shop.value(query))
        if now != seen:
            seen, since = now, loop.time()
        return now > 0 and loop.time() - since > 1.0

    await shop.until(stands)
    return seen


class PublisherWithoutAnswers(Publisher):
    """Kafka as it is while it takes records and acknowledges none, until `released`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.released = asyncio.Event()

    @override
    async def publish(self, records: Sequence[Outgoing]) -> None:
        await self.released.wait()
        await super().publish(records)


@pytest.mark.parametrize("limit", ["blobs", "bytes", pytest.param("none", marks=pytest.mark.release)])
async def test_while_kafka_does_not_acknowledge_commits_wait_too(
    shop: Shop, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of five orders says about 2.3 kB; the third case is the control without a bound."""
    monkeypatch.setattr(outbox, "MAX_WAITING", 10 if limit == "blobs" else UNBOUNDED)
    monkeypatch.setattr(outbox, "MAX_UNACKED_BYTES", 20_000 if limit == "bytes" else UNBOUNDED)
    await shop.receive(MUG=2 * ORDERS)
    await shop.place(*(order(("MUG", 1)) for _ in range(ORDERS)))
    async with (
        PublisherWithoutAnswers(shop.settings.kafka_bootstrap or "", namespace=shop.settings.namespace) as unanswered,
        shop.owning(PartitionOwner(InventoryRoom(), shop.options(), unanswered)),
    ):
        unpublished = await standstill(shop, "SELECT count(*) FROM outbox")
        unanswered.released.set()
        await shop.until_quiet("inventory")
    bounds = {"blobs": range(10, 14), "bytes": range(8, 13), "none": range(ORDERS // 5, ORDERS)}
    assert unpublished in bounds[limit]
    async with shop.running("orders"):
        await shop.until_quiet("orders")
    assert (await shop.audit()).breaches <= {"every_order_is_final_or_waits"}


class Insatiable(PaymentsRoom):
    """Keeps every payment in memory, whatever is unanswered."""

    @override
    def after_commit(self, partition: int, effects: Sequence[Operation]) -> None:
        self._runner.submit(partition, effects)


@pytest.mark.parametrize("kind", [PaymentsRoom, pytest.param(Insatiable, marks=pytest.mark.release)])
async def test_while_the_processor_is_away_no_more_payments_wait_in_memory_than_it_holds(
    shop: Shop, kind: type[PaymentsRoom], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rooms that share its reader go on meanwhile, and what waits in the database is begun later."""
    monkeypatch.setattr(payments, "MAX_PENDING", 20)
    monkeypatch.setattr(owners, "REST_SECONDS", 10_000.0)  # an owner at rest moves for nothing but what wakes it
    await shop.receive(MUG=2 * ORDERS)
    await shop.place(*(order(("MUG", 1)) for _ in range(ORDERS)))
    room = kind(HttpProcessor(shop.supervisor.processor_url), shop.publisher)
    others = [shop.room(name) for name in ("orders", "fulfilment")]
    patient = shop.options(watchdog_seconds=1.0)
    async with (
        shop.running("inventory"),
        shop.owning(PartitionOwner([room, *others], patient, shop.publisher)) as owner,
    ):
        await shop.until(lambda: shop.value("SELECT count(*) = $1 FROM payment_attempts", ORDERS))
        await asyncio.wait({owner}, timeout=2 * patient.watchdog_seconds)  # nobody is stuck
        assert not owner.done()
        in_memory = room._runner.pending
        await shop.supervisor.start(PROCESSOR)
        await shop.until_quiet(orders=ORDERS)
    if kind is Insatiable:
        assert in_memory == ORDERS
    else:
        assert 20 <= in_memory <= 20 + 2 * shop.settings.batch_records
    await shop.assert_sound()
