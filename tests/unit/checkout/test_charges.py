"""Discounts, tax and shipping of a quote, to the minor unit."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.checkout.carts import CartLine
from producers.checkout.charges import (
    NO_RULES,
    WHOLE_BP,
    ChargeRules,
    Discount,
    LineCharge,
    apportion,
    charges_of,
    half_up,
    read_charges,
)
from producers.checkout.quotes import Offer, Quote, make_quote, opened_quote, order_of, sign_quote
from producers.checkout.signing import Signer
from producers.clients.orders import place_order_lines
from schemas.ids import new_order_id
from schemas.money import format_minor

AMOUNTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=20)
RATES = st.integers(0, WHOLE_BP)
ONE = [(1_000, "")]


@given(AMOUNTS, st.data())
def test_parts_are_the_total_and_none_is_above_its_weight(weights: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(weights)))
    parts = apportion(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert 0 <= part <= weight
        assert not total or abs(part * sum(weights) - total * weight) < sum(
            weights
        )  # less than one unit from its share


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),  # equal remainders: the first
        (10, [333, 333, 334], [3, 3, 4]),
        (1, [1, 2, 1], [0, 1, 0]),
        (5, [0, 5, 0], [0, 5, 0]),
        (0, [], []),
    ],
)
def test_the_largest_remainder_gets_what_is_left(total: int, weights: list[int], parts: list[int]) -> None:
    assert apportion(total, weights) == parts


@pytest.mark.parametrize("weights", [[], [0, 0]])
def test_what_nothing_bears_cannot_be_handed_out(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot be handed out"):
        apportion(1, weights)


@pytest.mark.parametrize(("fraction", "whole"), [((1, 2), 1), ((1, 3), 0), ((2, 3), 1), ((5, 2), 3), ((0, 7), 0)])
def test_a_half_is_rounded_upwards(fraction: tuple[int, int], whole: int) -> None:
    assert half_up(*fraction) == whole


@pytest.mark.parametrize(
    ("rules", "code", "line", "shipping"),
    [
        (ChargeRules(), "", LineCharge(), 0),
        (ChargeRules(shipping_minor=495), "", LineCharge(), 495),
        (ChargeRules(shipping_minor=495, shipping_free_from_minor=1_000), "", LineCharge(), 0),
        (ChargeRules(shipping_minor=495, shipping_free_from_minor=1_001), "", LineCharge(), 495),
        (ChargeRules(tax_bp=2_000), "", LineCharge(0, 0, 167), 0),  # 1000 - 1000 / 1.2
        (ChargeRules(tax_bp=2_000, prices_include_tax=False), "", LineCharge(0, 200), 0),
        (ChargeRules(tax_bp=825, shipping_minor=495, prices_include_tax=False), "", LineCharge(0, 83), 495 + 41),
        (ChargeRules(discounts={"TEN": Discount(rate_bp=1_000)}), "TEN", LineCharge(100), 0),
        (ChargeRules(discounts={"TEN": Discount(rate_bp=1_000)}), "ten", LineCharge(), 0),
        (ChargeRules(discounts={"FIVE": Discount(amount_minor=500)}), "FIVE", LineCharge(500), 0),
        (ChargeRules(discounts={"LOT": Discount(amount_minor=5_000)}), "LOT", LineCharge(1_000), 0),
        (
            ChargeRules(shipping_minor=9, shipping_free_from_minor=950, discounts={"TEN": Discount(rate_bp=1_000)}),
            "TEN",
            LineCharge(100),
            9,
        ),  # shipping is free by what the goods cost after the discount
        (
            ChargeRules(tax_bp=2_000, prices_include_tax=False, discounts={"TEN": Discount(rate_bp=1_000)}),
            "TEN",
            LineCharge(100, 180),
            0,
        ),  # tax of what is paid
    ],
    ids=str,
)
def test_one_line_is_charged_by_the_rules(rules: ChargeRules, code: str, line: LineCharge, shipping: int) -> None:
    charges = charges_of(rules, ONE, code)
    assert (charges.lines, charges.shipping_minor) == ((line,), shipping)


def test_an_empty_cart_ships_nothing() -> None:
    assert charges_of(ChargeRules(shipping_minor=495), []).shipping_minor == 0


def test_the_tax_that_a_total_contains_is_that_of_shipping_too() -> None:
    rules = ChargeRules(tax_bp=2_000, shipping_minor=495, shipping_free_from_minor=5_000)
    assert quoted(rules, [(2, 350, "")], "").included_minor == 117 + 83  # 700 - 700 / 1.2, 495 - 495 / 1.2
    assert quoted(rules, [(1, 6_000, "")], "").included_minor == 1_000


def test_tax_is_reckoned_once_for_each_rate_and_by_the_nearest_category() -> None:
    rules = ChargeRules(tax_bp=2_000, tax_bp_by_category={"Books": 500, "Books/Ebooks": 0}, prices_include_tax=False)
    lines = [(33, "Mugs"), (33, "Mugs/Red"), (33, ""), (99, "Books/Poems"), (99, "Books/Ebooks/Old")]
    assert [line.tax_minor for line in charges_of(rules, lines).lines] == [7, 7, 6, 5, 0]  # 19.8 is 20, not 3 times 7


RULES = st.builds(
    ChargeRules,
    shipping_minor=st.integers(0, 10_000),
    shipping_free_from_minor=st.none() | st.integers(0, 10**12),
    tax_bp=RATES,
    tax_bp_by_category=st.dictionaries(st.sampled_from(["A", "B"]), RATES),
    prices_include_tax=st.booleans(),
    discounts=st.one_of(
        st.builds(Discount, rate_bp=st.integers(1, WHOLE_BP)),
        st.builds(Discount, amount_minor=st.integers(1, 10**12)),
    ).map(lambda discount: {"CODE": discount}),
)
WANTED = st.lists(
    st.tuples(st.integers(1, 1_000), st.integers(0, 10**9), st.sampled_from(["A", "B/x", "C"])), min_size=1, max_size=8
)
SIGNER = Signer("a secret of the shop")


@given(RULES, WANTED, st.sampled_from(["", "CODE", "OTHER"]), st.sampled_from(["GBP", "JPY", "KWD"]))
def test_what_is_charged_is_what_was_shown(
    rules: ChargeRules, wanted: list[tuple[int, int, str]], code: str, currency: str
) -> None:
    quote = quoted(rules, wanted, code, currency)
    brought = opened_quote(SIGNER, sign_quote(SIGNER, quote))
    assert brought is not None
    lines = place_order_lines(order_of(brought, "tok_ok", 60))
    assert {line.shipping_minor for line in lines} == {quote.shipping_minor}
    charged = sum(line.quantity * line.unit_price_minor - line.discount_minor + line.tax_minor for line in lines)
    assert charged + quote.shipping_minor == quote.total_minor == order_of(brought, "tok_ok", 60).amount_minor
    assert quote.discount_minor <= quote.goods_minor
    assert quote.tax_minor == 0 or not rules.prices_include_tax
    assert quote.included_minor <= quote.total_minor
    assert quote.included_minor == 0 or rules.prices_include_tax


def quoted(rules: ChargeRules, wanted: list[tuple[int, int, str]], code: str, currency: str = "GBP") -> Quote:
    offers = {
        f"S{number}": Offer(
            sku=f"S{number}",
            product_id=f"S{number}",
            slug="s",
            title="S",
            price_minor=price,
            available=1_000,
            category=category,
        )
        for number, (_, price, category) in enumerate(wanted)
    }
    return make_quote(
        [CartLine(f"S{number}", quantity) for number, (quantity, _, _) in enumerate(wanted)],
        offers,
        order_id=new_order_id(),
        cart_id="c:1",
        customer_id="c-1",
        currency=currency,
        now_ms=1_790_000_000_000,
        rules=rules,
        code=code,
    )


@pytest.mark.parametrize(
    ("currency", "total"), [("GBP", "GBP 36.20"), ("JPY", "JPY 3620"), ("KWD", "KWD 3.620")], ids=str
)
def test_amounts_are_minor_units_whatever_their_number_of_digits(currency: str, total: str) -> None:
    rules = ChargeRules(
        shipping_minor=200,
        tax_bp=2_000,
        prices_include_tax=False,
        discounts={"FIVE": Discount(rate_bp=500)},
    )
    quote = quoted(rules, [(3, 1_000, "A")], "FIVE", currency)
    assert (quote.discount_minor, quote.tax_minor, quote.shipping_minor) == (150, 570, 240)
    assert format_minor(quote.total_minor - 40, currency) == total


def test_a_code_that_nobody_gave_out_is_named_and_the_quote_holds_without_it() -> None:
    quote = quoted(ChargeRules(), [(1, 500, "A")], "WHAT")
    assert [(each.kind, each.sku, each.is_blocking) for each in quote.problems] == [("unknown_code", "WHAT", False)]
    assert (quote.can_be_placed, quote.code, quote.total_minor) == (True, "", 500)


def test_an_article_that_is_sold_out_keeps_no_code_from_being_taken() -> None:
    offers = {
        sku: Offer(sku=sku, product_id=sku, slug=sku, title=sku, price_minor=500, available=available)
        for sku, available in (("MUG", 9), ("GONE", 0))
    }
    quote = make_quote(
        [CartLine("MUG", 1), CartLine("GONE", 1)],
        offers,
        order_id=new_order_id(),
        cart_id="c",
        customer_id="b",
        currency="GBP",
        now_ms=0,
        rules=ChargeRules(discounts={"TEN": Discount(rate_bp=1_000)}),
        code="TEN",
    )
    assert (quote.code, quote.discount_minor, quote.can_be_placed) == ("TEN", 100, False)
    assert [(each.kind, each.sku) for each in quote.problems] == [("sold_out", "GONE")]


@pytest.mark.parametrize(
    "rules",
    [
        {"tax_bp": 10_001},
        {"tax_bp_by_category": {"A": -1}},
        {"shipping_minor": -1},
        {"discounts": {"X": {}}},
        {"discounts": {"X": {"rate_bp": 1, "amount_minor": 1}}},
        {"discounts": {"X": {"rate_bp": 10_001}}},
        {"taxes": 1},
    ],
    ids=str,
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "charges.json").write_text(json.dumps(rules))
    with pytest.raises(msgspec.ValidationError):
        read_charges(tmp_path / "charges.json")


def test_rules_are_read_from_a_file_and_there_may_be_none(tmp_path: Path) -> None:
    (tmp_path / "charges.json").write_text('{"shipping_minor": 495, "discounts": {"TEN": {"rate_bp": 1000}}}')
    assert read_charges(tmp_path / "charges.json") == ChargeRules(495, discounts={"TEN": Discount(1_000)})
    assert read_charges(None) == NO_RULES
