"""Files as programs write them: any encoding, delimiter and end of line is read or named, and no record is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from producers.clients.orders import OrderLine
from producers.errors import UnusableFileError
from producers.importing.options import ReadOptions
from producers.importing.orderfile import OrderFile
from producers.importing.rejects import COLUMNS, RejectsFile
from tests.unit.importing.files import GERMAN, RETAIL, read, retail, row, written

TEXT = retail(row("1", text="SPOONS"), row("1", "22197", text='"CAF\u00c9, \u00a3 ""BIG"""'))
LINES = (OrderLine("22196", 2, 85), OrderLine("22197", 2, 85))


def in_bytes(folder: Path, content: bytes) -> Path:
    path = folder / "orders.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_common_encoding_and_end_of_line_is_read(tmp_path: Path, encoding: str, end: str) -> None:
    path = written(tmp_path, TEXT.replace("\n", end), encoding)
    assert read(path).invoice.lines == LINES
    assert OrderFile(path, ReadOptions()).table.is_guess == (encoding == "cp1252")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(tmp_path: Path, delimiter: str) -> None:
    text = retail(row("1")).replace(",", delimiter)
    assert read(written(tmp_path, text)).invoice.lines == LINES[:1]
    assert read(written(tmp_path, text), delimiter=delimiter).invoice.lines == LINES[:1]
    assert read(written(tmp_path, f"sep={delimiter}\r\n{text}")).invoice.lines == LINES[:1]


def test_columns_are_found_by_their_names_however_these_are_written(tmp_path: Path) -> None:
    head = "\u00a0invoice_no ,STOCK CODE,Description,quantity,Invoice Date,unit-price,Customer ID,Country,"
    assert read(written(tmp_path, retail(row("1") + ",").replace(RETAIL, head))).invoice.lines == LINES[:1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"\x1f\x8b\x08rest", "compressed"),
        (b"PAR1rest", "Parquet"),
        (RETAIL.encode() + b"\n\x81\x8d\n", "--encoding"),
        (b"\xff\xfeI\x00n", "not text in utf-16"),
        (b"\xff\xfeI\x00n\x00\xd8", "not text in utf-16"),
        (b"", "names no columns"),
        (b"\n\n", "names no columns"),
        (b"InvoiceNo;x\n", "known export"),
        (b'"InvoiceNo,StockCode', "line 1: is not CSV"),
        (RETAIL.encode() + b"\n" + b"x" * (1 << 20), "more than 1,048,576 characters"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UnusableFileError, match=message):
        read(in_bytes(tmp_path, content))


def test_a_file_that_is_not_there_or_no_regular_one_is_named(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "missing.csv", "there is no file"),
        (tmp_path, "no regular file"),
        (Path("a\0b"), "there is no file"),
        (tmp_path / ("x" * 300), "cannot be read"),
    ):
        with pytest.raises(UnusableFileError, match=message):
            read(path)


def test_a_named_encoding_is_taken_at_its_word(tmp_path: Path) -> None:
    path = written(tmp_path, retail(row("1", customer="\u0416-9")), "cp1251")
    assert read(path).invoice.customer_id == "\u00c6-9", "a guess, which the report names"
    assert read(path, encoding="cp1251").invoice.customer_id == "\u0416-9"
    with pytest.raises(UnusableFileError, match="not text in ascii"):
        read(path, encoding="ascii")


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_value_of_two_lines_is_one_record_and_rows_are_numbered_by_lines(tmp_path: Path) -> None:
    path = written(tmp_path, retail(row("1", text='"A\r\nB"'), row("2", quantity="x")))
    parsed = read(path)
    assert (parsed.invoice.first_row, parsed.reject.row) == (2, 4)


@pytest.mark.parametrize("rows", [1, 3, 3_000])
def test_a_quote_that_does_not_end_swallows_no_order(tmp_path: Path, rows: int) -> None:
    """It would hide the rows after it, some of whose orders would then be placed without them."""
    path = written(tmp_path, retail(row("1"), '1,22197,"SPOONS', *[row(str(n)) for n in range(rows)]))
    with pytest.raises(UnusableFileError, match="row 3: a quote that does not end takes in lines 3 to"):
        read(path)


def test_a_quote_in_the_last_column_swallows_no_order_either(tmp_path: Path) -> None:
    text = retail(row("1").replace("Australia", '"Australia'), row("2"), row("3", text='"A, B"'), row("4"))
    with pytest.raises(UnusableFileError, match="row 2: a quote that does not end"):
        read(written(tmp_path, text))


def test_a_row_that_names_no_order_may_belong_to_any_so_the_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, retail(row("1"), row(""), row("2")))
    with pytest.raises(UnusableFileError, match=r"row 3: names no order.*--skip-stray-rows"):
        read(path)
    assert [invoice.number for invoice in read(path, skip_stray_rows=True).invoices] == ["1", "2"]


def test_a_row_whose_cells_have_moved_is_its_orders_where_the_order_stands_elsewhere_too(tmp_path: Path) -> None:
    head = "sku,order,qty,price"
    columns = {"columns": {"order": "order", "sku": "sku", "quantity": "qty", "price": "price"}, "currency": "EUR"}
    known = read(written(tmp_path, f"{head}\nA,1,1,2\nB,1,1,2,\x22x\x22\nC,2,1,3\n"), **columns)
    assert ([invoice.number for invoice in known.invoices], known.reject.order) == (["2"], "1")
    with pytest.raises(UnusableFileError, match="row 3: has 5 of 4 columns"):
        read(written(tmp_path, f"{head}\nA,1,1,2\nB,X,7,1,2\nC,2,1,3\n"), **columns)


def test_a_file_that_changes_between_the_two_readings_is_not_imported_to_its_end(tmp_path: Path) -> None:
    path = written(tmp_path, retail(row("1"), row("2"), row("2")))

    def lose_a_row(_: int, total: int | None) -> None:
        if total is None:
            written(tmp_path, retail(row("1"), row("2")))

    orders = OrderFile(path, ReadOptions(), on_rows=lose_a_row).orders()
    next(orders)  # what came whole is an order all the same
    with pytest.raises(UnusableFileError, match="changed while it was read"):
        next(orders)


def test_progress_is_the_rows_read_and_in_the_second_reading_their_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = written(tmp_path, retail(*[row(str(number)) for number in range(2_500)]))
    list(OrderFile(path, ReadOptions(), on_rows=lambda rows, total: seen.append((rows, total))).orders())
    assert seen == [(1_000, None), (2_000, None), (2_500, None), (1_000, 2_500), (2_000, 2_500), (2_500, 2_500)]


# --- rejects ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_the_rejects_corrected_are_a_file_to_import(tmp_path: Path, encoding: str) -> None:
    rows = (row("1"), row("9", text="\u00c9", price="2.505"), row("2"), row("9", "22197"))
    path, rejects = written(tmp_path, retail(*rows), encoding), tmp_path / "rejects.csv"
    _rejected(path, rejects)
    text = rejects.read_text(encoding)
    assert text.count("\n") == 3
    head, faulty, other, _ = text.split("\n")
    assert head.strip() == ",".join([*COLUMNS, RETAIL])
    assert faulty.startswith('3,UnitPrice,"the price of one 22196 is 2.505')
    assert other.startswith('5,,"its order is not placed: row 3: the price')
    assert read(rejects).reject.row == 2, "and still rejected as it stands"

    rejects.write_text(text.replace("2.505,12431", "2.50,12431"), encoding)
    assert read(rejects).invoice.lines == (OrderLine("22196", 2, 250), OrderLine("22197", 2, 85))
    again = tmp_path / "again.csv"
    _rejected(rejects, again)
    assert again.read_text(encoding).strip() == head.strip(), "rejects of rejects have one set of reasons"


def _rejected(path: Path, rejects: Path) -> None:
    file = OrderFile(path, ReadOptions())
    writer = RejectsFile(rejects, file.table)
    file.on_reject = writer.write
    list(file.orders())
    writer.close()


def test_rejects_that_cannot_be_written_are_known_before_anything_is_placed(tmp_path: Path) -> None:
    path = written(tmp_path, GERMAN)
    table = OrderFile(written(tmp_path, retail(row("1"))), ReadOptions()).table
    for rejects, message in ((path, "is the file to import"), (tmp_path, "cannot be written"), (tmp_path / "no" / "x", "cannot be written")):  # fmt: skip
        with pytest.raises(UnusableFileError, match=message):
            RejectsFile(rejects, table)
