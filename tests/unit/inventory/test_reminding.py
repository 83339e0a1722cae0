"""When the owner is asked to append ExpireHolds: no hold may be forgotten, whatever the clocks say."""

import asyncio
from typing import Any, cast

from consumers.errors import RefusedError
from consumers.inventory import store
from consumers.inventory.state import Ledger
from consumers.runtime.deciding.deadlines import REMIND_AGAIN_MS
from schemas import messages as m
from tests.given_when_then import NOW_MS, A, B, ExpireHolds, PlaceOrderLine, ReceiveStock
from tests.unit.inventory.commands import ROOM
from tests.unit.inventory.tables import Tables

END_MS = NOW_MS + 10_000


class Partition:
    """One partition with a hold of order A until END_MS, saved and in memory."""

    def __init__(self) -> None:
        self.ledger = Ledger(0)
        self.tables = Tables()
        self.take(ReceiveStock(quantity=5), NOW_MS)
        self.take(PlaceOrderLine(order_id=A, hold_seconds=10), NOW_MS)

    def take(self, command: m.Message, at_ms: int) -> list[m.Message | RefusedError]:
        asyncio.run(store.load(cast("Any", self.tables), [(self.ledger, [command])], thorough=False))
        outcomes = list(ROOM.decide(self.ledger, command, at_ms))
        self.tables.save(ROOM.close_batch(self.ledger, at_ms))
        return outcomes

    def reminder(self, now_ms: int) -> m.Message | None:
        return ROOM.reminder(self.ledger, now_ms)


def test_nothing_is_asked_for_while_nothing_is_held() -> None:
    assert ROOM.reminder(Ledger(0), NOW_MS) is None


def test_the_first_hold_that_is_over_is_asked_for() -> None:
    partition = Partition()
    assert partition.reminder(END_MS - 1) is None
    assert partition.reminder(END_MS) == ExpireHolds(as_of_ms=END_MS)


def test_what_was_asked_for_is_not_asked_for_again_until_the_log_had_time_to_answer() -> None:
    partition = Partition()
    partition.reminder(END_MS)
    assert partition.reminder(END_MS + REMIND_AGAIN_MS - 1) is None
    assert partition.reminder(END_MS + REMIND_AGAIN_MS) is not None


def test_the_next_hold_is_asked_for_as_soon_as_the_log_has_answered() -> None:
    partition = Partition()
    partition.take(PlaceOrderLine(order_id=B, hold_seconds=11), NOW_MS)
    asked = partition.reminder(END_MS)
    assert asked is not None
    assert len(partition.take(asked, END_MS)) == 1
    assert partition.reminder(END_MS + 999) is None
    assert partition.reminder(END_MS + 1_000) is not None


def test_more_holds_than_one_command_ends_are_asked_for_at_once() -> None:
    partition = Partition()
    partition.take(PlaceOrderLine(order_id=B, hold_seconds=10), NOW_MS)
    assert len(partition.take(ExpireHolds(as_of_ms=END_MS, limit=1), END_MS)) == 1
    assert partition.reminder(END_MS) is not None


def test_a_memory_that_was_emptied_still_knows_when_to_ask() -> None:
    partition = Partition()
    ROOM.forget(partition.ledger)
    assert partition.reminder(END_MS) is not None


def test_a_new_owner_learns_when_to_ask() -> None:
    partition = Partition()
    partition.ledger = Ledger(0)
    asyncio.run(ROOM.claimed(cast("Any", partition.tables), 0, partition.ledger))
    assert partition.reminder(END_MS) is not None


def test_a_hold_is_not_forgotten_when_the_owners_clock_runs_ahead_of_the_brokers() -> None:
    partition = Partition()
    asked = partition.reminder(END_MS)
    assert asked is not None
    assert partition.take(asked, END_MS - 50) == [], "by the log's time it is not over yet"
    assert partition.reminder(END_MS + REMIND_AGAIN_MS) is not None


def test_a_stranger_who_dates_a_command_far_ahead_does_not_stop_holds_from_ending() -> None:
    partition = Partition()
    assert partition.take(ExpireHolds(as_of_ms=NOW_MS * 2), NOW_MS) == []
    assert partition.reminder(END_MS + REMIND_AGAIN_MS) is not None
