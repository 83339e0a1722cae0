"""Whatever is said to inventory in whatever order: the books, kept a second time by other means, must agree."""

from typing import Any, cast

from hypothesis import given, settings

from consumers.inventory.state import Hold, Ledger, Stock
from consumers.runtime.room import Tombstone
from schemas import messages as m
from tests.model.accounting import Books
from tests.samples import samples
from tests.unit.inventory.commands import ROOM, Decided, Entry, cut_logs, decided, logs, outcomes_of
from tests.unit.inventory.tables import UNITS, Tables


def levels(ledger: Ledger) -> dict[str, tuple[int, int, int, int]]:
    return {
        sku: (stock.on_hand, stock.reserved, stock.allocated, stock.quarantined) for sku, stock in ledger.stocks.items()
    }


def memory(ledger: Ledger) -> tuple[dict[str, Stock], dict[tuple[str, int, str], Hold], set[tuple[str, int, str]]]:
    return ledger.stocks, ledger.holds, ledger.held


@settings(max_examples=samples(400), deadline=None, derandomize=True)
@given(logs())
def test_nothing_is_oversold_undersold_done_twice_or_refused_without_need(log: list[Entry]) -> None:
    ledger, books = Ledger(0), Books()
    for command, at_ms in log:
        books.apply(command, outcomes_of(ledger, command, at_ms), at_ms)
        assert levels(ledger) == {sku: books.level(sku) for sku in ledger.stocks}
        assert {sku: stock.is_retired for sku, stock in ledger.stocks.items()} == {
            sku: sku in books.retired for sku in ledger.stocks
        }
        assert ledger.purchases == {buyer: books.bought(*buyer) for buyer in ledger.purchases}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(logs())
def test_replaying_a_log_repeats_every_decision(log: list[Entry]) -> None:
    first, again = Ledger(0), Ledger(0)
    assert decided(first, log) == decided(again, log)
    assert memory(first) == memory(again)


@settings(max_examples=samples(300), deadline=None, derandomize=True)
@given(cut_logs())
def test_where_a_log_is_cut_into_batches_makes_no_difference(batches: list[list[Entry]]) -> None:
    whole, cut, tables = Ledger(0), Ledger(0), Tables()
    at_once = decided(whole, [entry for batch in batches for entry in batch])
    by_batch: Decided = []
    for batch in batches:
        by_batch += decided(cut, batch)
        tables.save(ROOM.close_batch(cut, batch[-1][1]))
        assert tables.sums_agree()
    assert by_batch == at_once
    assert levels(cut) == levels(whole)
    assert levels(cut) == {sku: tuple(row[name] for name in UNITS) for sku, row in tables.stock.items()}
    assert cut.holds == whole.holds


@settings(max_examples=100, deadline=None, derandomize=True)
@given(cut_logs())
def test_the_last_level_published_of_a_sku_is_its_level(batches: list[list[Entry]]) -> None:
    ledger = Ledger(0)
    published: dict[str, m.StockLevel | Tombstone] = {}
    for batch in batches:
        decided(ledger, batch)
        records = ROOM.close_batch(ledger, batch[-1][1]).records
        latest: dict[str, Any] = {_sku_of(record): record for record in records}
        assert len(latest) == len(records), "one level a SKU and batch"
        published |= latest
    for sku, units in levels(ledger).items():
        level = published[sku]
        assert isinstance(level, Tombstone) is ledger.stock(sku).is_retired
        if isinstance(level, m.StockLevel):
            assert (level.on_hand, level.reserved, level.allocated, level.quarantined) == units
            assert level.available == units[0] - sum(units[1:]) >= 0


def _sku_of(record: m.Message | Tombstone) -> str:
    return record.key.decode() if isinstance(record, Tombstone) else cast("m.StockLevel", record).sku
