"""Decided offsets have no gap, whenever a rebalance comes: it is played at every await of the owner's loop."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from typing_extensions import override

from consumers.errors import NotContiguousError
from consumers.inventory.room import InventoryRoom
from consumers.runtime import batch_decider
from consumers.runtime.deciding.batch import Batch, DecodedSlice, PartitionBatch
from consumers.runtime.deciding.decision import outgoing
from consumers.runtime.kafka.fetch_buffer import FetchBuffer
from consumers.runtime.kafka.rebalance import Rebalance
from consumers.runtime.owner import PartitionOwner
from infra.base.settings import Settings
from producers.clients.orders import place_order_lines
from producers.publisher import Outgoing
from schemas import messages as m
from tests.harness.shop import PARTITIONS, Shop, in_miniature, open_shop, order
from topology.partitioner import partition_of

SKUS = tuple(f"SKU-{number}" for number in range(7))
RECEIPTS = 40
LOOP = {"claim_assigned", "_fetch", "_process", "decide", "_settle"}
"""The functions of the owner's loop that wait for something themselves."""


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


Plan = Callable[[list[str], bool], tuple[bool, bool]]
"""Whether to revoke, and whether to assign again, by the functions that wait and by whether fetched records are left."""


class Interposed:
    """A coroutine with a call between each of its suspensions and what it waits for."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], at_await: Callable[[Coroutine[Any, Any, None]], None]
    ) -> None:
        self._coroutine = coroutine
        self._at_await = at_await

    def __await__(self) -> Generator[Any, Any, None]:
        error: BaseException | None = None
        while True:
            try:
                waited_for = self._coroutine.throw(error) if error else self._coroutine.send(None)
            except StopIteration:
                return
            self._at_await(self._coroutine)
            error = None
            try:
                yield waited_for
            except BaseException as thrown:  # noqa: BLE001  a cancellation too is for the coroutine
                error = thrown


def suspended_in(coroutine: Any) -> list[str]:
    """Return the names of the coroutines that wait, from the outermost on."""
    names = []
    while hasattr(coroutine, "cr_code"):
        names.append(coroutine.cr_code.co_name)
        coroutine = coroutine.cr_await
    return names


class SmallMemory(InventoryRoom):
    """An inventory that forgets before most of its steps."""

    cache_limit = 4


class Unsettled(PartitionOwner):
    """An owner whose group rebalances again and again, in the middle of whatever it does.

    `places` are the functions that waited when it did; `durable` are the (partition, first, next) of what was committed.
    """

    def __init__(self, room: InventoryRoom, shop: Shop, rebalances: Plan) -> None:
        super().__init__(room, shop.options(batch_records=6), shop.publisher)
        self.places: set[str] = set()
        self.durable: list[tuple[int, int, int]] = []
        self._spans: dict[int, list[tuple[int, int, int]]] = {}
        self._decide, self._decider.decide = self._decider.decide, self._noted  # type: ignore[method-assign]
        self._rebalances = rebalances
        self._is_revoked = False
        self._listener: Rebalance | None = None

    @override
    def _rebalance(self) -> Rebalance:
        self._listener = super()._rebalance()
        return self._listener

    @override
    async def _work(self) -> None:
        await Interposed(super()._work(), self._play)

    def _play(self, coroutine: Coroutine[Any, Any, None]) -> None:
        partitions: set[TopicPartition] = self._consumer.assignment()
        if self._listener is None or not partitions:
            return
        where = suspended_in(coroutine)
        revokes, assigns = self._rebalances(where, self._reader.has_fetched)
        if revokes:
            self.places.update(where)
            self._listener.on_partitions_revoked(partitions)
            self._is_revoked = True
        if self._is_revoked and assigns:
            self._listener.on_partitions_assigned(partitions)
            self._is_revoked = False

    @override
    async def _commit(self, parts: list[PartitionBatch[Any]]) -> None:
        await asyncio.sleep(0.02 if self.places else 0.5)  # slow, so that the next step has to wait for this one
        await super()._commit(parts)
        self.durable += [span for part in parts for span in self._spans.pop(id(part))]

    async def _noted(self, slices: Iterable[DecodedSlice]) -> Batch:
        """Decide, and note what each part consists of: its position alone does not tell what it left out.

        What the room passed over before is durable with it.
        """
        taken = list(slices)
        before = {partition: hosted.claims[0] for partition, hosted in self._claims.items()}
        passed = {partition: (claim.passed_from, claim.next_offset) for partition, claim in before.items()}
        batch = await self._decide(taken)
        for part in batch.parts:
            partition = part.claim.partition
            first, following = passed[partition]
            self._spans[id(part)] = [] if first is None else [(partition, first, following)]
            self._spans[id(part)] += [
                (partition, each.first, each.next) for each in taken if each.partition == partition
            ]
        return batch


def at_random(seed: int) -> Plan:
    """Revoke at every fifth await or so, assign at every second one after it."""
    dice = random.Random(seed)
    return lambda *_: (dice.random() < 0.2, dice.random() < 0.5)


def once_while_a_step_waits_for_the_one_before() -> Plan:
    """Revoke once, in a later step of what was fetched that is not the last, and assign at the next await."""
    turns = itertools.chain([True], itertools.repeat(False))

    def rebalances(where: list[str], has_more: bool) -> tuple[bool, bool]:
        revokes = has_more and "_process" in where and "_settle" in where and next(turns)
        return revokes, not revokes

    return rebalances


async def publish_mixed(shop: Shop) -> None:
    """Publish receipts, with orders that fill the memory, duplicates of forgotten ones, and barriers between them."""
    records: list[Outgoing] = []
    lines: list[Outgoing] = []
    for number in range(RECEIPTS):
        sku = SKUS[number % len(SKUS)]
        records.append(outgoing(m.ReceiveStock(f"receipt-{number}", sku, 1)))
        if number % 3 == 0:
            lines.append(outgoing(place_order_lines(order((sku, 1)))[0]))
            records += [lines[-1], lines[len(lines) // 2]]
        if number % 5 == 0:
            records += [outgoing(m.ExpireHolds(0, 100), partition=partition) for partition in range(PARTITIONS)]
    await shop.publisher.publish(records)


async def received(shop: Shop) -> int:
    return sum(level.on_hand for level in (await shop.levels()).values())


def gaps(durable: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return the spans that do not begin where the one before them in their partition ended."""
    reached = dict.fromkeys(range(PARTITIONS), 0)
    skipped = []
    for partition, first, following in durable:
        if first != reached[partition]:
            skipped.append((partition, reached[partition], first))
        reached[partition] = following
    return skipped


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))])
async def test_no_record_is_skipped_whenever_a_rebalance_comes(shop: Shop, seed: int) -> None:
    owner = Unsettled(SmallMemory(), shop, at_random(seed))
    await publish_mixed(shop)
    async with shop.owning(owner):
        await shop.until_quiet("inventory")
    assert gaps(owner.durable) == []
    assert await received(shop) == RECEIPTS
    assert owner.places >= LOOP, "a rebalance came at every place that waits"
    await shop.assert_sound()


async def publish_route(shop: Shop, route: str) -> int:
    """Publish records of one SKU that are fetched at once and decided in several steps; return how many."""
    records = [outgoing(m.ReceiveStock(f"receipt-{number}", "MUG", 10)) for number in range(4)]
    if route == "barrier":
        records.insert(2, outgoing(m.ExpireHolds(0, 100), partition=partition_of(b"MUG", PARTITIONS)))
    else:
        records[2:2] = [outgoing(line) for _ in range(10) for line in place_order_lines(order(("MUG", 1)))]
    records += [outgoing(m.ReceiveStock(f"late-receipt-{number}", "MUG", 10)) for number in range(8)]
    await shop.publisher.publish(records)
    return len(records)


@pytest.mark.parametrize("route", ["barrier", "memory"])
async def test_a_step_that_falls_into_a_rebalance_is_decided_when_the_partition_stays_here(
    shop: Shop, route: str
) -> None:
    owner = Unsettled(SmallMemory(), shop, once_while_a_step_waits_for_the_one_before())
    await publish_route(shop, route)
    async with shop.owning(owner):
        await shop.until_quiet("inventory")
    assert "_process" in owner.places
    assert gaps(owner.durable) == []
    assert await received(shop) == 120
    await shop.assert_sound()


# --- negative controls --------------------------------------------------------------------------------------------------


def without_a_guard_in_the_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the buffer hand out whatever was fetched under the claim, wherever the claim stands."""

    def take(self: FetchBuffer, limit: int, claims: Any) -> list[Any]:
        taken = []
        while self._slices and limit > 0:
            fetched = self._slices.popleft()
            if claims.get(fetched.tp.partition) is not fetched.claim:
                continue
            if len(fetched.records) > limit:
                records, rest = fetched.records[:limit], fetched.records[limit:]
                self._slices.appendleft(fetched._replace(records=rest, first=rest[0].offset))
                fetched = fetched._replace(records=records, next=rest[0].offset)
            limit -= len(fetched.records)
            taken.append(fetched)
        return taken

    monkeypatch.setattr(FetchBuffer, "take", take)
    monkeypatch.setattr(FetchBuffer, "revoke", lambda *_: None)


@pytest.mark.release
@pytest.mark.parametrize("route", ["barrier", "memory"])
async def test_without_the_guard_in_the_buffer_the_owner_stops_before_it_skips_a_record(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    without_a_guard_in_the_buffer(monkeypatch)
    await publish_route(shop, route)
    with pytest.raises(NotContiguousError, match="was about to go on at"):
        async with asyncio.timeout(60):
            await Unsettled(SmallMemory(), shop, once_while_a_step_waits_for_the_one_before()).run()
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    assert await received(shop) == 120


@pytest.mark.release
async def test_without_any_guard_records_are_passed_over(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    without_a_guard_in_the_buffer(monkeypatch)
    monkeypatch.setattr(batch_decider, "_require_contiguous", lambda *_, **__: None)
    owner = Unsettled(SmallMemory(), shop, once_while_a_step_waits_for_the_one_before())
    await publish_route(shop, "memory")
    async with shop.owning(owner):
        await shop.until_quiet("inventory")
    assert gaps(owner.durable)
