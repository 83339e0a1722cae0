"""Processes that share the partitions: whoever comes or goes, only what must move moves, and it does not stand still for long."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from consumers.inventory.room import InventoryRoom
from consumers.runtime import owner as runtime_owner
from consumers.runtime.log_identity import LogIdentity
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.ownership import Ownership
from infra.base.settings import Settings
from producers.clients.orders import place_order_lines
from schemas import messages as m
from tests.faults.test_restarts import Flow
from tests.faults.test_zombies import UngroupedOwner, without_fence
from tests.harness.postgres_proxy import Fate, PostgresProxy
from tests.harness.race import race
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order
from tests.harness.shop_evidence import logged
from topology.partitioner import partition_of

PARTITIONS = 12
ORDERS = 12_000
"""More than there is time for."""
THREE = ("inventory", "inventory-2", "inventory-3")
FOURTH = "inventory-4"
SLACK_SECONDS = 15.0
"""For what comes after the session's end, on two cores that may be busy with other things."""


@pytest_asyncio.fixture
async def wide_shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings, partitions=PARTITIONS, batch_records=20), tmp_path) as opened:
        yield opened


async def epochs(shop: Shop) -> dict[int, int]:
    """Return the epoch of each partition of inventory."""
    rows = await shop.database.fetch("SELECT partition, epoch FROM claims WHERE room = 'inventory'")
    return {row["partition"]: row["epoch"] for row in rows}


def owners(shop: Shop, *processes: str) -> dict[int, str]:
    """Return which process has the highest claim of each partition, as their logs say."""
    claims = [(each["epoch"], each["partition"], name) for name in processes for each in _logged(shop, name, "claimed")]
    return {partition: name for _, partition, name in sorted(claims)}


def sizes(by_partition: dict[int, str]) -> list[int]:
    return sorted(Counter(by_partition.values()).values())


def moved(before: dict[int, int], after: dict[int, int]) -> set[int]:
    return {partition for partition in before if before[partition] != after[partition]}


def fenced(shop: Shop, *processes: str) -> Counter[int]:
    """Return how often these processes were fenced, by partition."""
    facts = [fact for name in processes for fact in _logged(shop, name, "fenced")]
    return Counter(partition for fact in facts for partition in fact["partitions"])


def _logged(shop: Shop, process: str, event: str) -> list[dict[str, Any]]:
    return logged(shop.supervisor.folder, process, event) if process in shop.supervisor.started else []


async def until_shared(shop: Shop, sizes_wanted: list[int], *processes: str) -> None:
    """Wait until these processes hold so many partitions each, and all of them have said so."""

    async def shared() -> bool:
        by_partition = owners(shop, *processes)
        claimed = {each["partition"]: each["epoch"] for name in processes for each in _logged(shop, name, "claimed")}
        return sizes(by_partition) == sizes_wanted and len(claimed) == PARTITIONS == len(await epochs(shop))

    await shop.until(shared)


async def until_decided(shop: Shop, more: int = 30) -> None:
    """Wait until inventory has clearly gone on."""
    before = await shop.progress("inventory")
    await shop.until(lambda: shop.has_decided("inventory", before + more))


@pytest.mark.timeout(400)
async def test_a_fourth_process_takes_three_of_twelve_partitions_and_a_killed_one_loses_only_its_own(
    wide_shop: Shop,
) -> None:
    shop = wide_shop
    traffic = await race(shop, 31_337, orders=ORDERS)
    for name in THREE:
        await shop.supervisor.start(name)
    async with Flow(shop, traffic):
        await until_shared(shop, [4, 4, 4], *THREE)
        await until_decided(shop)
        before, had, fenced_before = await epochs(shop), owners(shop, *THREE), fenced(shop, *THREE)

        await shop.supervisor.start(FOURTH)
        await until_shared(shop, [3, 3, 3, 3], *THREE, FOURTH)
        await until_decided(shop)
        with_fourth, have = await epochs(shop), owners(shop, *THREE, FOURTH)
        assert moved(before, with_fourth) == {p for p, name in have.items() if name == FOURTH}
        assert Counter(had[p] for p in moved(before, with_fourth)) == dict.fromkeys(THREE, 1)

        killed = have[await busiest(shop)]
        survivors = {*THREE, FOURTH} - {killed}
        lost = {p for p, name in have.items() if name == killed}
        await shop.supervisor.kill(killed)
        await shop.until(lambda: _all_raised(shop, with_fourth, lost))
        await until_decided(shop)
        assert moved(with_fourth, await epochs(shop)) == lost
    await shop.until_quiet("inventory")
    # Whoever gives a partition up may have had a batch of it under way; of what stayed nobody was ever fenced.
    assert (fenced(shop, *THREE, FOURTH) - fenced_before).keys() <= moved(before, with_fourth)
    assert_the_gap_is_logged(shop, lost, survivors)
    await shop.assert_sound()


async def _all_raised(shop: Shop, before: dict[int, int], partitions: set[int]) -> bool:
    now = await epochs(shop)
    return all(now[partition] > before[partition] for partition in partitions)


async def busiest(shop: Shop) -> int:
    return int(await shop.value("SELECT partition FROM claims WHERE room = 'inventory' ORDER BY batch DESC LIMIT 1"))


def assert_the_gap_is_logged(shop: Shop, partitions: set[int], successors: Iterable[str]) -> None:
    """Print how long the partitions of a killed process stood still; only what hangs is a failure here."""
    most = shop.settings.session_timeout_ms / 1000 + SLACK_SECONDS
    facts = [fact for name in successors for fact in _logged(shop, name, "took_over")]
    gaps = {fact["partition"]: fact for fact in sorted(facts, key=lambda fact: int(fact["epoch"]))}
    assert gaps.keys() & partitions, "the busiest of them went on"
    for partition in sorted(gaps.keys() & partitions):
        gap = gaps[partition]
        print(  # noqa: T201  shown with -s and when the test fails
            f"partition {partition} stood still for {gap['unavailable_s']} s:"
            f" claim {gap['claim_s']} s, first decision {gap['decide_s']} s after it"
        )
        assert 0 < gap["unavailable_s"] < most


@pytest.mark.release
@pytest.mark.timeout(400)
async def test_a_process_that_slept_while_another_had_its_partitions_claims_them_afresh(shop: Shop) -> None:
    traffic = await race(shop, 31_338, orders=200)
    await shop.start_processes()
    await shop.place(*traffic.orders[:50])
    await shop.until_quiet(orders=50)
    before = await epochs(shop)
    shop.supervisor.pause("inventory")
    await shop.supervisor.start("inventory-2")
    await shop.until(lambda: _all_raised(shop, before, set(before)))
    await shop.place(*traffic.orders[50:100])
    await shop.until_quiet(orders=100)
    meanwhile = await epochs(shop)
    await shop.supervisor.stop("inventory-2")
    shop.supervisor.resume("inventory")
    await shop.place(*traffic.orders[100:])
    await shop.until_quiet(orders=200)
    assert moved(meanwhile, await epochs(shop)) == set(meanwhile)
    await shop.assert_sound()


# --- what a kept claim rests on -------------------------------------------------------------------------------------------


class Trusting(Ownership):
    """Goes on with every claim that a rebalance left it, without asking whether somebody raised it meanwhile."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.rows.epochs = self._remembered  # type: ignore[method-assign,assignment]

    async def _remembered(self, partitions: Iterable[int], _identity: LogIdentity) -> dict[int, list[int]]:
        return {each: [claim.epoch for claim in self.held()[each].claims] for each in partitions}


def _has_kept(logs: Any, partition: int) -> bool:
    return any(log["event"] == "kept" and partition in log["partitions"] for log in logs)


@pytest.mark.release
@pytest.mark.parametrize("fenced", [True, False])
async def test_a_kept_claim_is_safe_because_of_the_fence(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, fenced: bool
) -> None:
    monkeypatch.setattr(runtime_owner, "Ownership", Trusting)
    orders = [order((SKU, 1)) for _ in range(6)]
    await shop.receive(**{SKU: 10})
    await shop.place(*orders)
    async with PostgresProxy(shop.settings.postgres_dsn or "").listening() as proxy:
        slow = PartitionOwner(InventoryRoom(), shop.options(postgres_dsn=proxy.dsn), shop.publisher)
        other = UngroupedOwner(InventoryRoom(), shop.options(), shop.publisher)
        for owner in () if fenced else (slow, other):
            without_fence(owner)
        with capture_logs() as logs:
            async with shop.owning(slow):
                await shop.until_quiet("inventory")
                proxy.bring(Fate.HOLD, at=1)
                released = [place_order_lines(each)[0] for each in orders[:2]]
                await shop.say(*(m.ReleaseLine(line.order_id, 1, line.sku, "changed my mind") for line in released))
                await asyncio.wait_for(proxy.held.wait(), 30)
                async with shop.owning(other):
                    await shop.until_quiet("inventory")
                async with shop.running("inventory"):
                    await shop.until(lambda: _has_kept(logs, partition_of(SKU.encode(), 3)))
                    proxy.release()
                    await shop.until(lambda: _settled(slow))
                await shop.until_quiet("inventory")
    report = await shop.audit()
    if fenced:
        assert await shop.levels() == {SKU: Level(10, 4, 0)}
        await shop.assert_sound()
    else:
        assert await shop.levels() == {SKU: Level(10, 2, 0)}
        assert {"on_hand_is_the_sum_of_movements", "replay_gives_the_same_decisions"} & report.breaches


async def test_a_claim_that_somebody_raised_during_a_rebalance_is_made_anew_before_anything_is_decided(
    shop: Shop,
) -> None:
    await shop.receive(**{SKU: 10})
    partition = partition_of(SKU.encode(), 3)
    with capture_logs() as logs:
        async with shop.running("inventory"):
            await shop.until_quiet("inventory")
            await shop.value(
                "UPDATE claims SET epoch = epoch + 10 WHERE room = 'inventory' AND partition = $1", partition
            )
            async with shop.running("inventory"):
                await shop.until(lambda: _is_claimed(logs, partition, 12))
                await shop.place(order((SKU, 1)))
                await shop.until_quiet("inventory")
    assert not [log for log in logs if log["event"] == "fenced"]
    assert await shop.levels() == {SKU: Level(10, 1, 0)}
    await shop.assert_sound()


async def test_a_batch_that_is_decided_anew_during_a_rebalance_leaves_its_claims_fit_to_go_on(shop: Shop) -> None:
    orders = [order((SKU, 1)) for _ in range(5)]
    lines = [line for each in orders for line in place_order_lines(each)]
    await shop.receive(**{SKU: 100})
    await shop.say(*lines)
    async with shop.running("inventory"):
        await shop.until_quiet("inventory")
    async with PostgresProxy(shop.settings.postgres_dsn or "").listening() as proxy:
        owner = PartitionOwner(InventoryRoom(), shop.options(postgres_dsn=proxy.dsn), shop.publisher)
        with capture_logs() as logs:
            async with shop.owning(owner):
                await shop.until(lambda: _is_claimed_thrice(logs))
                proxy.bring(Fate.HOLD, at=1)
                await shop.say(*lines)  # duplicates of holds that this owner does not remember: nothing will apply
                await asyncio.wait_for(proxy.held.wait(), 30)
                assigned = owner._consumer.assignment()
                owner._ownership.revoked(assigned)
                proxy.release()
                await shop.until(lambda: _settled(owner))
                owner._ownership.assigned(owner._consumer, assigned)
                await shop.place(order((SKU, 1)))
                await shop.until_quiet("inventory")
    assert [log for log in logs if log["event"] == "decided_anew"]
    assert not [log for log in logs if log["event"] == "fenced"]
    assert await shop.levels() == {SKU: Level(100, 6, 0)}
    await shop.assert_sound()


def _is_claimed_thrice(logs: Any) -> bool:
    return len([log for log in logs if log["event"] == "claimed"]) == 3


def _is_claimed(logs: Any, partition: int, epoch: int) -> bool:
    return any(log["event"] == "claimed" and (log["partition"], log["epoch"]) == (partition, epoch) for log in logs)


def _settled(owner: PartitionOwner) -> bool:
    return owner._in_flight is None


SKU = next(f"MUG{n}" for n in range(100) if partition_of(f"MUG{n}".encode(), 3) == 0)
"""Of the first partition: two members keep the lower ones with whom they are."""
