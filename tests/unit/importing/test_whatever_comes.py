"""No file and no option that is allowed ends in anything but orders, rejects or one of the importer's own errors."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.clients.orders import OrderRequest, place_order_lines
from producers.errors import InvalidOrderError, ProducerError
from producers.importing.formats import BY_NAME, Field
from producers.importing.importer import PlacingOptions, survey
from producers.importing.options import (
    ReadOptions,
    Rounding,
    SkuCase,
    checked,
    parse_as_lines,
    parse_delimiter,
    parse_map,
    parse_names,
)
from producers.importing.stockfile import stock_in
from tests.unit.importing import files
from tests.unit.importing.files import read, retail, row, written

SHARED = settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SAMPLES = [value for name, value in vars(files).items() if name.isupper()]
ODD = ["", "0", "-1", "1.5", "12,50", "1.204,00", "NaN", "inf", "1e308", "9" * 6_000, "\0", "\u00a0", "\u200b", "\ud7ff", '"', "x" * 300, "EUR", "eur", "cancelled", "C1", "POST", "5.0", "\uff11"]  # fmt: skip
CELLS = st.one_of(st.sampled_from(ODD), st.text(max_size=5), st.integers(-9, 9).map(str))
NAMES = st.sampled_from(["shipping", "tax", "discount", "fee", "refund", "total", "cancelled", "post", "d"])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "format": st.sampled_from(["", *BY_NAME]),
        "columns": st.dictionaries(st.sampled_from(list(Field)), st.sampled_from(["Order ID", "Quantity", "1", "SKU", "Sales"])),
        "currency": st.sampled_from(["", "GBP", "JPY", "KWD", "XXX", "gbp"]),
        "delimiter": st.sampled_from(["", ",", ";", "\t", "|", '"', "\n", "ab", "\0", "\u00e9", " "]),
        "encoding": st.sampled_from(["", "utf-8", "utf-16", "utf-7", "latin-1", "idna", "punycode", "undefined", "unicode_escape", "hex", "\0", "nope"]),
        "decimal_comma": st.booleans(),
        "price_is_total": st.booleans(),
        "rounding": st.sampled_from([None, *Rounding]),
        "waived": st.frozensets(NAMES, max_size=3),
        "spread": st.frozensets(NAMES, max_size=3),
        "as_lines": st.dictionaries(NAMES, st.sampled_from(["SHIP", "", "x" * 300]), max_size=2),
        "sku_case": st.sampled_from(SkuCase),
        "whole_customer_ids": st.booleans(),
        "skip_stray_rows": st.booleans(),
    },
)  # fmt: skip


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Let the importer's own errors pass, if a person can read them."""
    try:
        yield
    except ProducerError as error:
        message = str(error)
    else:
        return
    assert 0 < len(message) < 5_000


def surveyed(path: Path, options: dict[str, Any]) -> None:
    """Survey a file: whatever becomes an order can be published, and the sums of the report are those of the file."""
    with one_line_errors():
        report = survey(path, ReadOptions(**options), PlacingOptions(), rejects=path.with_suffix(".rejects"))
        assert report.is_whole == (report.found.orders > 0 and not report.rejected and not report.stray_rows)
        assert report.rejected + report.stray_rows == sum(report.rejected_by.values())


@SHARED
@given(content=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(str.encode)), options=OPTIONS)
def test_whatever_bytes_a_file_has(tmp_path: Path, content: bytes, options: dict[str, Any]) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(content)
    surveyed(path, options)


@SHARED
@given(data=st.data(), options=OPTIONS)
def test_whatever_cells_a_known_export_has(tmp_path: Path, data: st.DataObject, options: dict[str, Any]) -> None:
    sample = data.draw(st.sampled_from([export for export in SAMPLES if "\n" in export]))
    records = list(csv.reader(io.StringIO(sample), delimiter=";" if sample == files.GERMAN else ","))
    for _ in range(data.draw(st.integers(0, 6))):
        record = data.draw(st.sampled_from(records[1:]))
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(CELLS)
    text = io.StringIO()
    csv.writer(text, delimiter=data.draw(st.sampled_from(",;"))).writerows(records)
    surveyed(written(tmp_path, text.getvalue(), data.draw(st.sampled_from(["utf-8", "utf-16"]))), options)


@SHARED
@given(data=st.lists(st.sampled_from(["1", "2", "3", "4", "5"]), max_size=30))
def test_orders_are_whole_however_their_rows_are_scattered(tmp_path: Path, data: list[str]) -> None:
    parsed = read(written(tmp_path, retail(*(row(invoice, f"{n:05}") for n, invoice in enumerate(data)))))
    wanted = {invoice: [f"{n:05}" for n, number in enumerate(data) if number == invoice] for invoice in set(data)}
    assert {invoice.number: [line.sku for line in invoice.lines] for invoice in parsed.invoices} == wanted


@SHARED
@given(
    lines=st.lists(st.tuples(st.integers(1, 7), st.integers(0, 5_000)), min_size=1, max_size=5),
    charges=st.lists(st.integers(-3_000, 3_000), max_size=2),
)
def test_what_is_charged_is_the_invoices_total_whatever_is_spread(
    tmp_path: Path, lines: list[tuple[int, int]], charges: list[int]
) -> None:
    rows = [row("1", f"{n:05}", str(units), f"{price / 100:.2f}") for n, (units, price) in enumerate(lines)]
    rows += [row("1", "D", "1", f"{charge / 100:.2f}") for charge in charges]
    parsed = read(written(tmp_path, retail(*rows)), format="uci", spread=frozenset({"d"}))
    goods = sum(units * price for units, price in lines)
    extra = sum(charges)
    if goods + extra < 0 or (extra and not goods):
        assert parsed.reject.order == "1"
    elif parsed.invoices:
        invoice = parsed.invoice
        assert sum(line.quantity * line.unit_price_minor for line in invoice.lines) == goods + extra
        assert sum(line.quantity for line in invoice.lines) == sum(units for units, _ in lines)
        place_order_lines(OrderRequest(lines=invoice.lines, customer_id="c"))


@SHARED
@given(content=st.one_of(st.binary(max_size=200), st.lists(st.tuples(CELLS, CELLS), max_size=4)))
def test_whatever_a_stock_file_has(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "stock.csv"
    text = io.StringIO()
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        csv.writer(text).writerows([("sku", "quantity"), *content])
        path.write_text(text.getvalue())
    try:
        receipts = stock_in(path)
    except ProducerError:
        return
    assert all(receipt.quantity > 0 for receipt in receipts)


@SHARED
@given(text=st.one_of(st.text(max_size=30), st.sampled_from([*ODD, "\udc80", "order=\udc80"])))
def test_whatever_an_options_text_is(text: str) -> None:
    for parse in (parse_map, parse_names, parse_as_lines):
        with one_line_errors():
            parse([text])
    for options in (
        ReadOptions(format=text),
        ReadOptions(currency=text),
        ReadOptions(delimiter=parse_delimiter(text)),
        ReadOptions(encoding=text),
    ):
        with one_line_errors():
            checked(options)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("order=Order ID,sku=Product ID", {"order": "Order ID", "sku": "Product ID"}),
        ("order=Order, the ID ,ROW_DISCOUNT_SHARE = d", {"order": "Order, the ID", "row_discount_share": "d"}),
        ("quantity=a=b,c", {"quantity": "a=b,c"}),
    ],
)
def test_a_map_may_name_columns_with_commas_and_equals_signs(text: str, columns: dict[str, str]) -> None:
    assert parse_map([text]) == columns


@pytest.mark.parametrize("source", ["", "a\nb", "x" * 300, "\0", "\udc80"])
def test_a_source_that_nobody_can_read_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(ProducerError, match="source"):
        survey(written(tmp_path, retail(row("1"))), ReadOptions(), PlacingOptions(source=source))


def test_what_is_wrong_with_all_orders_is_known_before_the_first(tmp_path: Path) -> None:
    with pytest.raises(InvalidOrderError, match="hold_seconds"):
        survey(written(tmp_path, retail(row("1"))), ReadOptions(), PlacingOptions(hold_seconds=0))
