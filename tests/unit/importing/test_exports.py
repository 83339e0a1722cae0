"""Exports of other shops: each is read by its header, and placed only where its customer is charged what it says."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from producers.clients.orders import OrderLine
from producers.errors import UnusableFileError
from producers.importing.assembly import Invoice
from producers.importing.faults import Fault
from producers.importing.options import Rounding, parse_map
from producers.importing.pricing import as_recorded
from tests.unit.importing.files import (
    GERMAN,
    NORTHWIND,
    OLIST,
    RETAIL_II,
    SHOPIFY,
    SUPERSTORE,
    WOOCOMMERCE,
    WOOCOMMERCE_ADVANCED,
    read,
    retail,
    row,
    written,
)

GERMAN_MAP = "order=Bestellung,sku=Artikel,quantity=Menge,price=Einzelpreis,customer=Kunde,date=Datum"


def totals(invoices: list[Invoice]) -> dict[str, int]:
    return {
        invoice.number: sum(line.quantity * line.unit_price_minor for line in invoice.lines) for invoice in invoices
    }


# --- named exports ----------------------------------------------------------------------------------------------------


def test_superstore_has_totals_of_rows_and_a_unit_that_is_no_whole_cent_is_named(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, SUPERSTORE))
    assert parsed.invoice.lines == (OrderLine("FUR-BO-70009001", 2, 9220), OrderLine("OFF-LA-70009002", 3, 310))
    assert (parsed.invoice.customer_id, parsed.invoice.currency) == ("ZQ-70001", "USD")
    assert (parsed.reject.order, parsed.reject.row, parsed.reject.fault) == ("US-2030-700012", 4, Fault.NOT_WHOLE)
    assert "100.223" in parsed.reject.reason


def test_superstore_is_rounded_as_the_caller_chooses(tmp_path: Path) -> None:
    path = written(tmp_path, SUPERSTORE)
    _, rounded = read(path, rounding=Rounding.HALF_UP).invoices
    assert (rounded.lines, rounded.rounded_minor) == ((OrderLine("TEC-PH-70009003", 5, 10022),), -2)
    _, split = read(path, rounding=Rounding.SPLIT).invoices
    assert split.lines == (OrderLine("TEC-PH-70009003", 3, 10022), OrderLine("TEC-PH-70009003", 2, 10023))
    assert split.rounded_minor == 0, "501.115 is 501.12, and no unit is rounded for itself"


def test_northwind_has_discounts_as_shares(tmp_path: Path) -> None:
    path = written(tmp_path, NORTHWIND)
    parsed = read(path)
    assert parsed.invoice.lines == (OrderLine("7", 3, 2100), OrderLine("19", 11, 460))
    assert (parsed.invoice.customer_id, parsed.reject.order) == ("guest-70248", "70249")
    assert read(path, rounding=Rounding.DOWN).invoices[1].lines == (OrderLine("5", 2, 1733),)


def test_olist_has_one_unit_a_row_and_freight_that_somebody_must_pay(tmp_path: Path) -> None:
    path = written(tmp_path, OLIST)
    assert {reject.fault for reject in read(path).rejects} == {Fault.CHARGE}
    assert "shipping BRL 14.50" in read(path).rejects[0].reason
    waived = read(path, waived=frozenset({"shipping"}))
    assert totals(waived.invoices) == {"c0ffee01": 8300, "abad1d02": 11735}
    assert [invoice.left_out for invoice in waived.invoices] == [{"shipping": 1450}, {"shipping": 1240}]
    placed = read(path, as_lines={"shipping": "FREIGHT"})
    assert totals(placed.invoices) == {"c0ffee01": 9750, "abad1d02": 12975}
    assert placed.invoices[0].lines[-1] == OrderLine("FREIGHT", 1, 1450)
    assert totals(read(path, spread=frozenset({"shipping"})).invoices) == totals(placed.invoices)


def test_shopify_charges_the_orders_total_or_is_not_placed(tmp_path: Path) -> None:
    path = written(tmp_path, SHOPIFY)
    parsed = read(path)
    assert [(reject.order, reject.row, reject.column, reject.fault) for reject in parsed.rejects] == [
        ("#9001", 2, "Total", Fault.TOTAL_DIFFERS),
        ("#9002", 4, "Total", Fault.TOTAL_DIFFERS),
    ]
    assert "EUR 40.00" in parsed.rejects[0].reason
    assert "EUR 35.00" in parsed.rejects[0].reason

    mapped = read(path, as_lines={"shipping": "SHIP"}, spread=frozenset({"discount"}))
    assert totals(mapped.invoices) == {"#9001": 4000, "#9002": 810}, "its taxes are in its prices"
    assert [invoice.customer_id for invoice in mapped.invoices] == ["buyer@example.com", "other@example.com"]
    waived = read(path, waived=frozenset({"shipping", "discount"}))
    assert totals(waived.invoices) == {"#9001": 3500, "#9002": 1000}
    assert [invoice.left_out for invoice in waived.invoices] == [{"shipping": 500}, {"discount": -190}]
    assert totals(read(path, spread=frozenset({"total"})).invoices) == {"#9001": 4000, "#9002": 810}
    assert totals(read(path, waived=frozenset({"total"})).invoices) == {"#9001": 3500, "#9002": 1000}


def test_charges_are_placed_as_what_they_are(tmp_path: Path) -> None:
    on_top = SHOPIFY.replace("35.00,5.00,7.60,40.00", "35.00,5.00,7.60,47.60")
    charged = frozenset({"shipping", "discount", "tax"})
    first, second = read(written(tmp_path, on_top), charged=charged).invoices
    assert [
        sum(line.amount_minor for line in invoice.lines) + invoice.shipping_minor for invoice in (first, second)
    ] == [4760, 810]
    assert (first.shipping_minor, sum(line.tax_minor for line in first.lines)) == (500, 760)
    assert (second.shipping_minor, [line.discount_minor for line in second.lines]) == (0, [190])
    assert first.left_out == second.left_out == {}
    waived = read(written(tmp_path, on_top), waived=charged).invoices
    assert [line[:3] for line in first.lines] == [line[:3] for line in waived[0].lines]
    assert first.fingerprint != waived[0].fingerprint


def test_what_was_imported_before_there_were_charges_is_known_again() -> None:
    invoice = Invoice(
        number="1", customer_id="c", currency="GBP", lines=(OrderLine("MUG", 2, 500),), rows=1, first_row=1
    )
    assert invoice.fingerprint == sha256(msgspec.msgpack.encode(("c", (("MUG", 2, 500),)))).digest()
    assert as_recorded(invoice.lines) == (("MUG", 2, 500),)


def test_goods_bear_no_more_charges_than_they_cost(tmp_path: Path) -> None:
    rows = ("9011,10001,plate,1,2026-01-05,5.00,c1,UK", "9011,D,Discount,-1,2026-01-05,5.01,c1,UK")
    parsed = read(written(tmp_path, retail(*rows)), charged=frozenset({"d"}))
    assert parsed.reject.fault == Fault.CHARGE
    assert "more than the goods cost" in parsed.reject.reason


def test_taxes_on_top_count_and_taxes_in_the_prices_do_not(tmp_path: Path) -> None:
    on_top = SHOPIFY.replace("35.00,5.00,7.60,40.00", "35.00,0.00,7.60,42.60").replace(
        "1.90,8.10,1.90", "1.90,10.00,0.00"
    )
    path = written(tmp_path, on_top)
    assert [reject.order for reject in read(path).rejects] == ["#9001"]
    for options in ({"as_lines": {"tax": "TAX"}}, {"spread": frozenset({"tax"})}):
        assert totals(read(path, **options).invoices) == {"#9001": 4260, "#9002": 1000}
    waived = read(path, waived=frozenset({"tax"}))
    assert [(invoice.number, invoice.left_out) for invoice in waived.invoices] == [
        ("#9001", {"tax": 760}),
        ("#9002", {}),
    ]


def test_woocommerce_is_read_in_both_its_forms_and_what_has_ended_there_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, WOOCOMMERCE)
    parsed = read(path, as_lines={"shipping": "SHIP"})
    assert totals(parsed.invoices) == {"W-901": 2500, "W-902": 1900}
    assert parsed.invoices[1].lines == (OrderLine("MUG", 2, 950),), "the row's discount is taken off already"
    ended, refunded = parsed.rejects
    assert (ended.order, ended.column, ended.fault) == ("W-903", "status", Fault.ENDED)
    assert (refunded.order, refunded.fault) == ("W-904", Fault.CHARGE)
    assert "refund GBP -10.00" in refunded.reason
    every = read(path, waived=frozenset({"shipping", "cancelled", "refund"}))
    assert [invoice.number for invoice in every.invoices] == ["W-901", "W-902", "W-903", "W-904"]

    advanced = read(written(tmp_path, WOOCOMMERCE_ADVANCED), currency="GBP")
    assert (advanced.invoice.lines, advanced.invoice.customer_id) == ((OrderLine("MUG", 2, 1000),), "a@example.com")


def test_online_retail_ii_lists_credit_notes_and_names_a_spreadsheets_customer_ids(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + RETAIL_II)
    parsed = read(path)
    assert parsed.invoice.lines == (OrderLine("70048", 4, 310), OrderLine("70323P", 9, 120))
    assert parsed.invoice.customer_id == "70085.0", "nobody's id is changed unasked"
    [credit] = parsed.credits
    assert (credit.number, credit.lines, credit.customer_id) == ("C990002", (OrderLine("70087", 5, 205),), "70321.0")
    assert read(path, whole_customer_ids=True).invoice.customer_id == "70085"


# --- any file, by its columns -----------------------------------------------------------------------------------------


def test_any_file_is_read_by_a_map_of_its_columns(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, GERMAN), columns=parse_map([GERMAN_MAP]), currency="EUR", decimal_comma=True)
    assert parsed.invoice.lines == (OrderLine("TASSE-1", 2, 1250), OrderLine("TEE-2", 1, 120400))
    assert (parsed.invoice.customer_id, parsed.invoice.currency) == ("K-9", "EUR")


def test_without_a_decimal_comma_a_german_file_is_rejected_with_the_option_that_reads_it(tmp_path: Path) -> None:
    reject = read(written(tmp_path, GERMAN), columns=parse_map([GERMAN_MAP]), currency="EUR").reject
    assert (reject.order, reject.row, reject.column) == ("7001", 2, "Einzelpreis")
    assert "--decimal-comma" in reject.reason


def test_a_map_over_a_named_format_changes_one_column(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, SUPERSTORE), format="superstore", columns=parse_map(["sku=Product Name"]))
    assert parsed.invoice.lines[0].sku == "Shelf, ash"


def test_a_number_in_place_of_a_column_is_every_rows_quantity(tmp_path: Path) -> None:
    columns = parse_map(["order=order_id,sku=product_id,quantity=1,price=price"])
    assert totals(read(written(tmp_path, OLIST), columns=columns, currency="BRL").invoices) == {
        "c0ffee01": 8300,
        "abad1d02": 11735,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "known export"),
        (
            {"columns": parse_map(["order=Bestellung,sku=Artikl,quantity=Menge,price=Einzelpreis"])},
            "Did you mean 'Artikel'",
        ),
        ({"columns": parse_map(["order=Bestellung,sku=Artikel,quantity=Menge,price=Einzelpreis"])}, "--currency EUR"),
        ({"format": "shopify"}, "no column 'Name', which holds order of the format shopify"),
    ],
)
def test_columns_that_are_not_there_are_named_with_what_to_give(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UnusableFileError, match=message):
        read(written(tmp_path, GERMAN), **options)


def test_two_columns_of_one_name_are_not_chosen_between(tmp_path: Path) -> None:
    with pytest.raises(UnusableFileError, match="two columns are named 'sku'"):
        read(written(tmp_path, "order,sku,sku,qty,price\n1,A,B,1,1\n"), columns=parse_map(["order=order,sku=sku,quantity=qty,price=price"]), currency="EUR")  # fmt: skip


# --- the UCI data sets' house rules -----------------------------------------------------------------------------------


def test_nobodys_house_rules_hold_for_another_shops_file(tmp_path: Path) -> None:
    rows = ("1,MUG,Mug,1,2026-01-05,1.00,c1,UK", "2,tea-blue,Tea,1,2026-01-05,2.00,c2,UK")
    more = ("AB-1001,10001,plate,1,2026-01-05,1.00,c1,UK", "CUST-7,10001,plate,1,2026-01-05,1.00,c1,UK")
    parsed = read(written(tmp_path, retail(*rows, *more)))
    assert [(invoice.number, invoice.lines[0].sku) for invoice in parsed.invoices] == [
        ("1", "MUG"),
        ("2", "tea-blue"),
        ("AB-1001", "10001"),
        ("CUST-7", "10001"),
    ]


@pytest.mark.parametrize(
    "code", ["POST", "D", "M", "m", "DOT", "BANK CHARGES", "S", "AMAZONFEE", "CRUK", "PADS", "C2", "B"]
)
def test_under_the_house_rules_what_is_no_goods_is_a_charge_to_be_waived_by_name(tmp_path: Path, code: str) -> None:
    path = written(tmp_path, retail(row("9"), row("9", code, "1", "4.95")))
    reject = read(path, format="uci").reject
    assert (reject.order, reject.fault) == ("9", Fault.CHARGE)
    assert f"{code} GBP 4.95" in reject.reason
    waived = read(path, format="uci", waived=frozenset({code.casefold()})).invoice
    assert (len(waived.lines), waived.left_out) == (1, {code: 495})
    assert len(read(path).invoice.lines) == 2, "elsewhere it may be a SKU"


def test_under_the_house_rules_credit_notes_adjustments_and_stock_written_up_are_no_orders(tmp_path: Path) -> None:
    rows = (
        row("C536379", quantity="-1"),
        row("C536380", "D", "-1", "27.50"),
        row("A563185", "B", "1", "11062.06", customer=""),
        row("536414", quantity="56", price="0", customer=""),
        row("1", quantity="1", price="0"),
    )
    parsed = read(written(tmp_path, retail(*rows)), format="uci")
    assert [(credit.number, len(credit.lines)) for credit in parsed.credits] == [("C536379", 1), ("C536380", 0)]
    assert [adjustment.number for adjustment in parsed.adjustments] == ["A563185", "536414"]
    assert parsed.invoice.lines == (OrderLine("22196", 1, 0),), "a sample for a customer is an order"


def test_either_edition_is_read_under_the_house_rules(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, RETAIL_II), format="uci")
    assert (parsed.invoice.number, [credit.number for credit in parsed.credits]) == ("990001", ["C990002"])
