"""The "Online Retail" format: every row becomes an order line or is counted by the reason why not."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.clients.orders import OrderLine
from producers.errors import InvalidOrderError, UnusableFileError
from producers.importing.importer import import_orders, survey
from producers.importing.online_retail import HEADER, Invoice, RetailFile, Skipped
from schemas.limits import MAX_LINES

REAL_FILE = Path(__file__).parents[4] / "shared" / "data" / "online-retail-2010-12.csv"
HEAD = ",".join(HEADER)


def row(invoice: str, code: str = "22196", quantity: str = "2", price: str = "0.85", customer: str = "12431") -> str:
    return f"{invoice},{code},SPOONS,{quantity},12/1/2010 10:03,{price},{customer},Australia"


def written(folder: Path, *rows: str, head: str = HEAD, encoding: str = "utf-8", end: str = "\r\n") -> Path:
    path = folder / "orders.csv"
    path.write_bytes(end.join([head, *rows, ""]).encode(encoding))
    return path


def read(path: Path) -> tuple[list[Invoice], dict[str, int]]:
    file = RetailFile(path)
    invoices = list(file.invoices())
    lines = sum(len(invoice.lines) for invoice in invoices)
    assert lines + file.skipped.total() == file.rows, "every row is accounted for"
    return invoices, {reason.value: rows for reason, rows in file.skipped.items()}


def test_an_order_comes_out_with_its_last_row_wherever_that_is(tmp_path: Path) -> None:
    invoices, skipped = read(
        written(tmp_path, row("1", "22196"), row("2", "22197"), row("3"), row("1", "22198", "5", "10"))
    )
    assert [invoice.number for invoice in invoices] == ["2", "3", "1"]
    assert invoices[-1] == Invoice("1", "12431", (OrderLine("22196", 2, 85), OrderLine("22198", 5, 1000)))
    assert skipped == {}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("C536379", quantity="-1"), "cancellation"),
        (row("c536379"), "cancellation"),
        (row("A563185", "B", "1", "11062.06"), "adjustment"),
        *((row("9", code), "not_goods") for code in ("POST", "D", "M", "m", "DOT", "BANK CHARGES", "S", "AMAZONFEE")),
        *((row("9", code), "not_goods") for code in ("CRUK", "PADS", "C2", "B", "gift_0001_40", "1234")),
        (row("9", quantity="-24"), "quantity_not_positive"),
        (row("9", quantity="0"), "quantity_not_positive"),
        (row("9", price="0"), "price_not_positive"),
        (row("9", price="-11.5"), "price_not_positive"),
        (row("9", price="0.001"), "price_not_in_pence"),
        (row("9", price="2.505"), "price_not_in_pence"),
        (row("9", quantity="1000001"), "beyond_limits"),
        (row("9", price="99999999999.99"), "beyond_limits"),
        (row("9", code="22196" + "X" * 200), "beyond_limits"),
        (row("9", customer="\0"), "beyond_limits"),
        (row("9", quantity="2.5"), "unreadable"),
        (row("9", quantity="two"), "unreadable"),
        (row("9", quantity="2_000"), "unreadable"),
        (row("9", quantity="٣"), "unreadable"),
        (row("9", quantity=""), "unreadable"),
        (row("9", price="NaN"), "unreadable"),
        (row("9", price="1e3"), "unreadable"),
        (row("9", price='"1,50"'), "unreadable"),
        (row(""), "unreadable"),
        (row("9", code=""), "unreadable"),
        (row("9") + ",extra", "unreadable"),
        ("9,22196,SPOONS", "unreadable"),
        ("", "blank"),
    ],
)
def test_a_row_that_is_no_order_for_goods_is_counted_by_its_reason(tmp_path: Path, bad: str, reason: str) -> None:
    invoices, skipped = read(written(tmp_path, row("1"), bad, row("1")))
    assert skipped == {reason: 1}
    assert [len(invoice.lines) for invoice in invoices] == [2], "and its neighbours are none the worse"


@pytest.mark.parametrize(
    ("text", "minor"), [("0.85", 85), ("10", 1000), ("2.5", 250), (".5", 50), ("0.10", 10), ("4.250", 425), ("7.", 700)]
)
def test_a_price_becomes_pence_exactly(tmp_path: Path, text: str, minor: int) -> None:
    [invoice], _ = read(written(tmp_path, row("1", price=text)))
    assert invoice.lines[0].unit_price_minor == minor


def test_goods_are_told_by_their_codes_and_one_product_has_one_spelling(tmp_path: Path) -> None:
    codes = ("85123A", "85123a", "15056bl", "DCGS0058", "dcgssboy", " 22196 ")
    [invoice], _ = read(written(tmp_path, *(row("1", code) for code in codes)))
    assert [line.sku for line in invoice.lines] == ["85123A", "85123A", "15056BL", "DCGS0058", "DCGSSBOY", "22196"]


def test_a_customer_may_be_missing_on_some_rows_or_on_all(tmp_path: Path) -> None:
    rows = (row("1", customer=""), row("1"), row("2", customer=" "))
    invoices, _ = read(written(tmp_path, *rows))
    assert [invoice.customer_id for invoice in invoices] == ["12431", "guest-2"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_descriptions_may_be_utf8_or_latin1_or_missing_or_of_two_lines(tmp_path: Path, encoding: str, end: str) -> None:
    rows = (
        "1,22196,CAFÉ £,1,12/1/2010 10:03,0.85,12431,Australia",
        "1,22197,,1,12/1/2010 10:03,0.85,12431,Australia",
        '1,22198,"A ""BIG""\nMUG, BLUE",1,12/1/2010 10:03,0.85,12431,Australia',
    )
    path = written(tmp_path, *rows, encoding=encoding, end=end)
    [invoice], skipped = read(path)
    assert (len(invoice.lines), skipped) == (3, {})
    assert survey(path).encoding == encoding.removesuffix("-sig")


def test_a_quote_that_never_ends_hides_no_row_from_the_count(tmp_path: Path) -> None:
    """Python's reader gives a field up after 128 KiB; each line that it swallowed until then was a row."""
    path = written(tmp_path, row("1"), '1,22197,"SPOONS', *[row(str(n)) for n in range(5_000)])
    file = RetailFile(path)
    lines = sum(len(invoice.lines) for invoice in file.invoices())
    assert file.skipped.keys() == {Skipped.UNREADABLE}
    assert file.skipped[Skipped.UNREADABLE] > 1_000
    assert lines + file.skipped.total() == file.rows == 5_002


def test_an_order_longer_than_an_order_may_be_is_reported_not_dropped(tmp_path: Path) -> None:
    path = written(tmp_path, *[row("1")] * (MAX_LINES + 1), *[row("2")] * MAX_LINES)
    invoices, skipped = read(path)
    assert [invoice.number for invoice in invoices] == ["2"]
    assert skipped == {"order_too_long": MAX_LINES + 1}


def test_an_order_whose_sum_is_beyond_the_limits_is_reported_too(tmp_path: Path) -> None:
    path = written(tmp_path, row("1", quantity="600000"), row("1", quantity="600000"), row("2"))
    report = survey(path)
    assert (report.found.orders, report.found.lines) == (1, 1)
    assert report.skipped_rows == {"order_beyond_limits": 2}


@pytest.mark.parametrize("head", ["", "a;b;c", HEAD.replace("StockCode", "SKU"), HEAD.replace(",", ";")])
def test_another_header_is_refused_with_the_one_that_is_wanted(tmp_path: Path, head: str) -> None:
    with pytest.raises(UnusableFileError, match="InvoiceNo,StockCode,Description"):
        survey(written(tmp_path, row("1"), head=head))


def test_an_empty_or_missing_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    with pytest.raises(UnusableFileError, match="begins with ''"):
        survey(tmp_path / "empty.csv")
    with pytest.raises(UnusableFileError, match="is no file"):
        survey(tmp_path / "missing.csv")
    with pytest.raises(UnusableFileError, match="is no file"):
        survey(tmp_path)


def test_a_file_that_changes_between_the_two_readings_is_not_imported_to_its_end(tmp_path: Path) -> None:
    path = written(tmp_path, row("1"), row("2"), row("2"))

    def lose_a_row(_: int, total: int | None) -> None:
        if total is None:
            written(tmp_path, row("1"), row("2"))

    invoices = RetailFile(path, lose_a_row).invoices()
    assert next(invoices).number == "1", "what came whole is an order all the same"
    with pytest.raises(UnusableFileError, match="changed while it was read"):
        next(invoices)


def test_progress_tells_the_rows_read_and_in_the_second_reading_their_total(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    path = written(tmp_path, *[row(str(number)) for number in range(2_500)])
    list(RetailFile(path, lambda rows, total: told.append((rows, total))).invoices())
    assert told == [(1_000, None), (2_000, None), (2_500, None), (1_000, 2_500), (2_000, 2_500), (2_500, 2_500)]


def test_a_fingerprint_changes_with_what_is_ordered(tmp_path: Path) -> None:
    [one], _ = read(written(tmp_path, row("1"), row("1", "22197")))
    [same], _ = read(written(tmp_path, row("1").replace("SPOONS", "FORKS"), row("1", "22197")))
    [other], _ = read(written(tmp_path, row("1"), row("1", "22197", quantity="3")))
    assert one.fingerprint == same.fingerprint != other.fingerprint


async def test_what_is_wrong_with_all_orders_is_said_before_the_first(tmp_path: Path) -> None:
    with pytest.raises(InvalidOrderError, match="hold_seconds"):
        await import_orders(written(tmp_path, row("1")), None, None, hold_seconds=0)  # type: ignore[arg-type]


@settings(max_examples=50)
@given(data=st.lists(st.sampled_from(["1", "2", "3", "C4", "5"]), max_size=30))
def test_orders_are_whole_however_their_rows_are_scattered(
    tmp_path_factory: pytest.TempPathFactory, data: list[str]
) -> None:
    path = written(tmp_path_factory.mktemp("scattered"), *(row(invoice, f"{n:05}") for n, invoice in enumerate(data)))
    invoices, _ = read(path)
    wanted = {invoice: [f"{n:05}" for n, it in enumerate(data) if it == invoice] for invoice in set(data) - {"C4"}}
    assert {invoice.number: [line.sku for line in invoice.lines] for invoice in invoices} == wanted


@pytest.mark.skipif(not REAL_FILE.exists(), reason="the data set is not part of the repository (see docs)")
def test_the_real_file_is_all_orders() -> None:
    file = RetailFile(REAL_FILE)
    invoices = list(file.invoices())
    sizes = [len(invoice.lines) for invoice in invoices]
    assert (len(invoices), sum(sizes), min(sizes), max(sizes)) == (236, 4_688, 1, 591)
    twice = [it for it in invoices if max(Counter(line.sku for line in it.lines).values()) > 1]
    assert len(twice) == 70
    assert file.skipped == Counter[Skipped]()
    with REAL_FILE.open(newline="") as text:
        pence = sum(round(float(it["UnitPrice"]) * 100) * int(it["Quantity"]) for it in csv.DictReader(text))
    assert sum(line.quantity * line.unit_price_minor for it in invoices for line in it.lines) == pence
