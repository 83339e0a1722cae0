"""All that is known of a SKU goes where the SKU goes, and nothing else does."""

from __future__ import annotations

import time
from typing import Any

import pytest

from consumers.inventory.repartition import SKU_OF, repartition
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import Ledger
from producers.clients.orders import place_order_lines
from producers.importing.generated import generate
from schemas import messages as m
from topology.partitioner import partition_of


def ledgers(partitions: int) -> list[Ledger]:
    """Return the ledgers of a sale with limits, refusals and carts."""
    room = InventoryRoom()
    by_partition = [Ledger(partition) for partition in range(partitions)]
    now_ms = time.time_ns() // 1_000_000
    traffic = generate(7, now_ms=now_ms, orders=60, skus=20)
    commands: list[Any] = [m.ReceiveStock(f"r-{sku}", sku, units) for sku, units in traffic.stock.items()]
    commands += [m.SetPurchaseLimit(f"l-{sku}", sku, 3) for sku in traffic.stock]
    commands += [m.AdjustStock(f"a-{sku}", sku, -10_000, "too much") for sku in traffic.stock]
    commands += [line for order in traffic.orders for line in place_order_lines(order)]
    for command in commands:
        list(room.decide(by_partition[partition_of(command.sku.encode(), partitions)], command, now_ms))
    return by_partition


def test_every_collection_of_a_ledger_is_repartitioned() -> None:
    collections = {name for name, value in vars(Ledger(0)).items() if isinstance(value, dict | set | list)}
    assert set(SKU_OF) == collections


@pytest.mark.parametrize("after", [1, 4, 6, 17])
def test_nothing_is_lost_nothing_doubled_and_each_sku_is_at_home(after: int) -> None:
    before = ledgers(4)
    repartitioned = repartition(before, after)
    assert [ledger.partition for ledger in repartitioned] == list(range(after))
    for name, sku_of in SKU_OF.items():
        was = [entry for ledger in before for entry in getattr(ledger, name)]
        now = [entry for ledger in repartitioned for entry in getattr(ledger, name)]
        assert sorted(map(str, was)) == sorted(map(str, now)), name
        for ledger in repartitioned:
            assert {partition_of(sku_of(key).encode(), after) for key in getattr(ledger, name)} <= {ledger.partition}
    assert sum(len(ledger.holds) for ledger in repartitioned) > 20


def test_there_and_back_again_is_the_same() -> None:
    before = ledgers(4)
    back = repartition(repartition(before, 7), 4)
    assert [vars(ledger)["holds"] for ledger in back] == [vars(ledger)["holds"] for ledger in before]
    assert [ledger.stocks for ledger in back] == [ledger.stocks for ledger in before]
