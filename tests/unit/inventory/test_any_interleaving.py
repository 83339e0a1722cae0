"""Whatever is said to inventory in whatever order: the books, kept a second time by other means, must agree."""

from hypothesis import given, settings

from consumers.inventory.ledger import Hold, Ledger, Stock
from schemas import messages as m
from tests.model.accounting import Books
from tests.unit.inventory.commands import ROOM, Decided, Entry, cut_logs, decided, logs
from tests.unit.inventory.tables import Tables


def levels(ledger: Ledger) -> dict[str, tuple[int, int, int]]:
    return {sku: (stock.on_hand, stock.reserved, stock.allocated) for sku, stock in ledger.stocks.items()}


def memory(ledger: Ledger) -> tuple[dict[str, Stock], dict[tuple[str, int, str], Hold], set[tuple[str, int, str]]]:
    return ledger.stocks, ledger.holds, ledger.held


@settings(max_examples=400, deadline=None, derandomize=True)
@given(logs())
def test_nothing_is_oversold_undersold_done_twice_or_refused_without_need(log: list[Entry]) -> None:
    ledger, books = Ledger(0), Books()
    for command, at_ms in log:
        books.hear(command, ROOM.decide(ledger, command, at_ms), at_ms)
        for sku, (on_hand, reserved, allocated) in levels(ledger).items():
            kept = (books.received.get(sku, 0), books.reserved.get(sku, 0), books.allocated.get(sku, 0))
            assert (on_hand, reserved, allocated) == kept


@settings(max_examples=100, deadline=None, derandomize=True)
@given(logs())
def test_replaying_a_log_repeats_every_decision(log: list[Entry]) -> None:
    first, again = Ledger(0), Ledger(0)
    assert decided(first, log) == decided(again, log)
    assert memory(first) == memory(again)


@settings(max_examples=300, deadline=None, derandomize=True)
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
    assert levels(cut) == {sku: (r["on_hand"], r["reserved"], r["allocated"]) for sku, r in tables.stock.items()}
    assert cut.holds == whole.holds


@settings(max_examples=100, deadline=None, derandomize=True)
@given(cut_logs())
def test_the_last_level_told_of_a_sku_is_its_level(batches: list[list[Entry]]) -> None:
    ledger = Ledger(0)
    told: dict[str, m.StockLevel] = {}
    for batch in batches:
        decided(ledger, batch)
        records = ROOM.close_batch(ledger, batch[-1][1]).records
        latest = {record.sku: record for record in records if isinstance(record, m.StockLevel)}
        assert len(latest) == len(records), "one level a SKU and batch"
        told |= latest
    for sku, (on_hand, reserved, allocated) in levels(ledger).items():
        level = told[sku]
        assert (level.on_hand, level.reserved, level.allocated) == (on_hand, reserved, allocated)
        assert level.available == on_hand - reserved - allocated >= 0
