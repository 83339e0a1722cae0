"""Receipts: counted once by their ids, whoever sends them again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.clients.stock import (
    Receipt,
    check_stock_command,
    new_command_id,
    receipts_of,
    receive_stock,
)
from producers.errors import InvalidReceiptError, InvalidStockCommandError
from schemas import messages as m
from schemas.limits import MAX_QUANTITY

NAMES = st.text("ab/", min_size=1, max_size=4)


def test_a_receipt_has_an_id_of_its_own_unless_given_one() -> None:
    assert Receipt(sku="MUG", quantity=1).command_id != Receipt(sku="MUG", quantity=1).command_id
    assert receive_stock(Receipt(sku="MUG", quantity=5, command_id="r-1")).command_id == "r-1"


@given(st.dictionaries(NAMES, st.integers(0, 3 * MAX_QUANTITY), max_size=5))
def test_a_delivery_is_the_same_receipts_each_time_and_loses_no_unit(quantities: dict[str, int]) -> None:
    receipts = receipts_of("d1", quantities)
    assert receipts == receipts_of("d1", quantities)
    assert all(0 < receipt.quantity <= MAX_QUANTITY for receipt in receipts)
    for sku, quantity in quantities.items():
        assert sum(receipt.quantity for receipt in receipts if receipt.sku == sku) == quantity


@given(NAMES, NAMES, NAMES.filter(lambda name: "/" not in name), NAMES.filter(lambda name: "/" not in name))
def test_no_two_receipts_share_an_id(sku: str, other_sku: str, delivery: str, other_delivery: str) -> None:
    [one], [other] = receipts_of(delivery, {sku: 1}), receipts_of(other_delivery, {other_sku: 1})
    assert (one.command_id == other.command_id) == ((delivery, sku) == (other_delivery, other_sku))


@pytest.mark.parametrize(
    "receipt",
    [
        Receipt(sku="", quantity=1),
        Receipt(sku="MUG", quantity=0),
        Receipt(sku="MUG", quantity=MAX_QUANTITY + 1),
        Receipt(sku="MUG", quantity=1, command_id="x" * 201),
    ],
)
def test_a_receipt_that_inventory_would_refuse_is_not_sent(receipt: Receipt) -> None:
    with pytest.raises(InvalidReceiptError, match=r"ReceiveStock\."):
        receive_stock(receipt)


def test_a_delivery_that_takes_away_or_could_be_confused_with_another_is_refused() -> None:
    with pytest.raises(InvalidReceiptError, match="cannot come in"):
        receipts_of("d1", {"MUG": -5})
    with pytest.raises(InvalidReceiptError, match="without a slash"):
        receipts_of("d/1", {"MUG": 5})


# --- other commands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        m.ReceiveStock("c", "MUG", 1),
        m.AdjustStock("c", "MUG", -1_000_000, "counted"),
        m.ClearQuarantine("c", "MUG", 1, "scrap"),
        m.SetPurchaseLimit("c", "MUG", 0),
        m.SuspendSale("c", "MUG", "recall"),
        m.ResumeSale("c", "MUG"),
        m.RetireSku("c", "MUG"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_stock_command_that_makes_sense_is_sent(command: m.SkuCommand) -> None:
    check_stock_command(command)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (m.ResumeSale("", "MUG"), "command_id"),
        (m.RetireSku("c", "M\tG"), "RetireSku.sku .* U.0009"),
        (m.AdjustStock("c", "MUG", 0, "counted"), "AdjustStock.change is 0"),
        (m.AdjustStock("c", "MUG", 1, ""), "AdjustStock.reason .* is empty"),
        (m.SuspendSale("c", "MUG", "x" * 201), "SuspendSale.reason .* has 201 characters"),
        (m.ClearQuarantine("c", "MUG", 0, "scrap"), "ClearQuarantine.quantity is 0"),
        (m.ClearQuarantine("c", "MUG", 1, "garden"), "available or scrap"),
        (m.ReceiveStock("c", "WS ", 1), "ReceiveStock.sku 'WS ' ends with a blank"),
        (m.SuspendSale("c", "cafe\u0301", "recall"), "not in Unicode normal form C"),
        (m.SetPurchaseLimit("c", "MUG", -1), "SetPurchaseLimit.limit is -1"),
    ],
    ids=str,
)
def test_what_inventory_could_not_read_is_not_sent(command: m.SkuCommand, expected: str) -> None:
    with pytest.raises(InvalidStockCommandError, match=expected):
        check_stock_command(command)


def test_each_new_command_has_an_id_of_its_own() -> None:
    assert new_command_id("adjust") != new_command_id("adjust")
    assert new_command_id("adjust").startswith("adjust/")
