"""An order of a file is placed whole, at the sum that its invoice says, or it is named with row, column and reason."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from producers.clients.orders import OrderLine
from producers.importing.faults import Fault
from producers.importing.options import ReadOptions, SkuCase
from producers.importing.orderfile import OrderFile
from schemas.limits import MAX_LINES
from tests.unit.importing.files import read, retail, row, written

REAL_FILE = Path(__file__).parents[4] / "shared" / "data" / "online-retail-2010-12.csv"


def test_an_invoice_of_which_one_row_cannot_be_read_is_not_placed(tmp_path: Path) -> None:
    plate, cup = '9001,10001,plate,1,2026-01-05,"12,50",c1,UK', "9001,10002,cup,1,2026-01-05,3.00,c1,UK"
    parsed = read(written(tmp_path, retail(plate, cup)))
    assert parsed.invoices == []
    assert (parsed.reject.order, parsed.reject.row, parsed.reject.column) == ("9001", 2, "UnitPrice")
    corrected = read(written(tmp_path, retail(plate.replace('"12,50"', "12.50"), cup)))
    assert corrected.invoice.lines == (OrderLine("10001", 1, 1250), OrderLine("10002", 1, 300))


def test_a_free_gift_is_sent_a_discount_is_named_and_a_correction_is_taken_off(tmp_path: Path) -> None:
    rows = (
        "9010,10001,plate,2,2026-01-05,10.00,c1,UK",
        "9010,10002,free gift,1,2026-01-05,0.00,c1,UK",
        "9011,10001,plate,2,2026-01-05,10.00,c1,UK",
        "9011,D,Discount,-1,2026-01-05,5.00,c1,UK",
        "9011,POST,Postage,1,2026-01-05,4.95,c1,UK",
        "9012,10001,plate,5,2026-01-05,10.00,c1,UK",
        "9012,10001,plate,-2,2026-01-05,10.00,c1,UK",
    )
    path = written(tmp_path, retail(*rows))
    parsed = read(path)
    assert [(invoice.number, invoice.lines) for invoice in parsed.invoices] == [
        ("9010", (OrderLine("10001", 2, 1000), OrderLine("10002", 1, 0))),
        ("9012", (OrderLine("10001", 3, 1000),)),
    ]
    assert (parsed.reject.order, parsed.reject.fault) == ("9011", Fault.CHARGE)
    assert "D GBP -5.00" in parsed.reject.reason
    for format_name in ("", "uci"):
        spread = read(path, format=format_name, spread=frozenset({"d", "post"})).invoices[1]
        assert sum(line.quantity * line.unit_price_minor for line in spread.lines) == 1995


def test_a_correction_is_taken_off_the_last_of_equal_lines_and_more_than_there_is_becomes_a_charge(
    tmp_path: Path,
) -> None:
    rows = (row("1", quantity="2"), row("1", quantity="3"), row("1", quantity="-4"), row("1", "9"))
    assert read(written(tmp_path, retail(*rows))).invoice.lines == (OrderLine("22196", 1, 85), OrderLine("9", 2, 85))
    parsed = read(written(tmp_path, retail(row("1", "9"), row("1"), row("1", quantity="-3"))))
    assert "22196 GBP -0.85" in parsed.reject.reason
    parsed = read(written(tmp_path, retail(row("1"), row("1", quantity="-2"))))
    assert parsed.reject.fault is Fault.NOTHING_TO_ORDER


def test_rows_that_only_take_back_are_a_credit_note(tmp_path: Path) -> None:
    [credit] = read(written(tmp_path, retail(row("7", quantity="-2"), row("7", "9", "-1")))).credits
    assert (credit.number, credit.lines) == ("7", (OrderLine("22196", 2, 85), OrderLine("9", 1, 85)))


@pytest.mark.parametrize(
    ("bad", "column", "fault"),
    [
        (row("9", quantity="2.5"), "Quantity", Fault.NOT_WHOLE),
        (row("9", quantity="0"), "Quantity", Fault.NOT_WHOLE),
        (row("9", quantity="two"), "Quantity", Fault.NOT_A_NUMBER),
        (row("9", quantity="2_000"), "Quantity", Fault.NOT_A_NUMBER),
        (row("9", quantity="1.000"), "Quantity", Fault.NOT_A_NUMBER),
        (row("9", quantity="\u0663"), "Quantity", Fault.NOT_A_NUMBER),
        (row("9", quantity=""), "Quantity", Fault.NOT_A_NUMBER),
        (row("9", quantity="1000001"), "Quantity", Fault.BEYOND_LIMITS),
        (row("9", price="NaN"), "UnitPrice", Fault.NOT_A_NUMBER),
        (row("9", price="1e3"), "UnitPrice", Fault.NOT_A_NUMBER),
        (row("9", price="\u00a33.00"), "UnitPrice", Fault.NOT_A_NUMBER),
        (row("9", price='"1,50"'), "UnitPrice", Fault.NOT_A_NUMBER),
        (row("9", price='"1,204"'), "UnitPrice", Fault.NOT_A_NUMBER),
        (row("9", price="0.001"), "UnitPrice", Fault.NOT_WHOLE),
        (row("9", price="2.505"), "UnitPrice", Fault.NOT_WHOLE),
        (row("9", sku=""), "StockCode", Fault.EMPTY),
        (row("9", sku="22196" + "X" * 200), "StockCode", Fault.BEYOND_LIMITS),
        (row("9", customer="other"), "CustomerID", Fault.CONTRADICTION),
        (row("9") + ",extra", "", Fault.NOT_CSV),
        ("9,22196,SPOONS", "", Fault.NOT_CSV),
        ('9,22196,A "BIG" MUG,"2"x,12/1/2010,0.85,12431,UK', "", Fault.NOT_CSV),
    ],
)
def test_a_row_that_is_not_understood_keeps_its_whole_order_from_being_placed(
    tmp_path: Path, bad: str, column: str, fault: Fault
) -> None:
    parsed = read(written(tmp_path, retail(row("8"), row("9"), bad, row("9"))))
    assert [invoice.number for invoice in parsed.invoices] == ["8"], "and its neighbours are none the worse"
    assert (parsed.reject.order, parsed.reject.row, parsed.reject.column, parsed.reject.fault) == (
        "9",
        4,
        column,
        fault,
    )


@pytest.mark.parametrize(
    ("text", "minor"),
    [("0.85", 85), ("10", 1000), ("2.5", 250), (".5", 50), ("4.250", 425), ("7.", 700), ('"1,204.00"', 120400)],
)
def test_a_price_becomes_pence_exactly(tmp_path: Path, text: str, minor: int) -> None:
    assert read(written(tmp_path, retail(row("1", price=text)))).invoice.lines[0].unit_price_minor == minor


@pytest.mark.parametrize(
    ("text", "minor"), [("12,50", 1250), ("1.204,00", 120400), ("7", 700), (",5", 50), ("-0,5", -50)]
)
def test_a_price_with_a_decimal_comma_becomes_cents_exactly(tmp_path: Path, text: str, minor: int) -> None:
    parsed = read(written(tmp_path, retail(row("1", price=f'"{text}"'), row("1"), row("1")).replace("0.85", '"0,85"')), decimal_comma=True)  # fmt: skip
    if minor < 0:
        assert "22196 GBP -1.00" in parsed.reject.reason
    else:
        assert parsed.invoice.lines[0].unit_price_minor == minor


def test_skus_keep_their_case_unless_the_caller_changes_it(tmp_path: Path) -> None:
    path = written(tmp_path, retail(*(row("1", code) for code in ("85123A", "85123a", "15056bl", " 22196 "))))
    assert [line.sku for line in read(path).invoice.lines] == ["85123A", "85123a", "15056bl", "22196"]
    upper = read(path, sku_case=SkuCase.UPPER).invoice
    assert [line.sku for line in upper.lines] == ["85123A", "85123A", "15056BL", "22196"]


def test_a_customer_may_be_missing_on_some_rows_or_on_all(tmp_path: Path) -> None:
    rows = (row("1", customer=""), row("1"), row("2", customer=" "))
    assert [invoice.customer_id for invoice in read(written(tmp_path, retail(*rows))).invoices] == ["12431", "guest-2"]


@pytest.mark.parametrize("customer", ["\0", "c" * 201, "\u200b12431", "\u00a012431"])
def test_a_customer_id_that_nobody_can_see_or_store_is_named(tmp_path: Path, customer: str) -> None:
    reject = read(written(tmp_path, retail(row("1", customer=""), row("1", customer=customer)))).reject
    assert (reject.row, reject.column, reject.fault) == (3, "CustomerID", Fault.BEYOND_LIMITS)


def test_an_order_comes_out_with_its_last_row_wherever_that_is(tmp_path: Path) -> None:
    rows = (row("1", "22196"), row("2", "22197"), row("3"), "", row("1", "22198", "5", "10"))
    invoices = read(written(tmp_path, retail(*rows))).invoices
    assert [invoice.number for invoice in invoices] == ["2", "3", "1"]
    assert invoices[-1].lines == (OrderLine("22196", 2, 85), OrderLine("22198", 5, 1000))
    assert (invoices[-1].rows, invoices[-1].first_row) == (2, 2)


def test_an_order_longer_than_an_order_may_be_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, retail(*[row("1")] * (MAX_LINES + 1), *[row("2")] * MAX_LINES))
    rejected: list[str] = []
    file = OrderFile(path, ReadOptions(), on_reject=lambda reject, rows: rejected.extend([reject.fault] * len(rows)))
    orders = [assembled for assembled, _ in file.orders()]
    assert Counter(rejected) == {Fault.TOO_LONG: MAX_LINES + 1}
    assert len(orders) == 2


def test_a_fingerprint_is_that_of_earlier_releases_and_changes_with_what_is_ordered(tmp_path: Path) -> None:
    one = read(written(tmp_path, retail(row("1"), row("1", "22197")))).invoice
    assert one.fingerprint.hex() == "ec2c5202a925e971860d8c3a14e3294abaaf3e999fcaa7ec4ba099143ae8781c"
    same = read(written(tmp_path, retail(row("1", text="FORKS"), row("1", "22197")))).invoice
    other = read(written(tmp_path, retail(row("1"), row("1", "22197", quantity="3")))).invoice
    elsewhere = read(written(tmp_path, retail(row("1"), row("1", "22197"))), currency="EUR").invoice
    assert one.fingerprint == same.fingerprint
    assert len({one.fingerprint, other.fingerprint, elsewhere.fingerprint}) == 3


@pytest.mark.skipif(not REAL_FILE.exists(), reason="the data set is not part of the repository")
@pytest.mark.parametrize("format_name", ["", "uci"])
def test_the_real_file_is_all_orders(format_name: str) -> None:
    parsed = read(REAL_FILE, format=format_name)
    sizes = [len(invoice.lines) for invoice in parsed.invoices]
    assert (len(sizes), sum(sizes), min(sizes), max(sizes)) == (236, 4_688, 1, 591)
    assert (parsed.rejects, parsed.credits, parsed.adjustments) == ([], [], [])
    with REAL_FILE.open(newline="") as text:
        pence = sum(
            round(float(record["UnitPrice"]) * 100) * int(record["Quantity"]) for record in csv.DictReader(text)
        )
    assert sum(line.quantity * line.unit_price_minor for invoice in parsed.invoices for line in invoice.lines) == pence
