from collections.abc import Callable

import pytest

from schemas.limits import MAX_HOLD_SECONDS, MAX_LINES, MAX_QUANTITY, MAX_TEXT, MAX_UNIT_PRICE_MINOR
from tests.given_when_then import (
    HOLD_SECONDS,
    NOW_MS,
    A,
    B,
    LineCommandRefused,
    LineCommitted,
    LineExpired,
    LineRejected,
    LineReleased,
    LineRepeated,
    LineReserved,
    LineReturned,
    LineShipped,
    PlaceOrderLine,
)
from tests.unit.inventory.dsl import given, stock, story, then, then_refused, when


def test_a_line_is_reserved_while_there_is_stock() -> None:
    given(stock("MUG", on_hand=3))
    when(PlaceOrderLine(order_id=A, line=2, line_count=2, sku="MUG", quantity=3, customer_id="bea"))
    then(LineReserved(order_id=A, line=2, line_count=2, sku="MUG", quantity=3, customer_id="bea"))


def test_the_second_buyer_of_the_last_unit_is_refused_with_the_reason() -> None:
    given(stock("MUG", on_hand=1), LineReserved(order_id=A, line=1, sku="MUG", quantity=1))
    when(PlaceOrderLine(order_id=B, line=1, sku="MUG", quantity=1))
    then(LineRejected(order_id=B, line=1, sku="MUG", reason="insufficient_stock", demand=1, available=0))


def test_what_was_never_received_is_not_there() -> None:
    given(stock("MUG", on_hand=1))
    when(PlaceOrderLine(sku="TEE"))
    then(LineRejected(sku="TEE", reason="unknown_sku", demand=1, available=0))


def test_what_was_received_once_is_sold_out_and_not_unknown() -> None:
    given(stock("MUG", on_hand=1), LineReserved(order_id=B), LineCommitted(order_id=B), LineShipped(order_id=B))
    when(PlaceOrderLine())
    then(LineRejected(reason="insufficient_stock", demand=1, available=0))


def test_what_is_allocated_is_not_there_for_others() -> None:
    given(stock(on_hand=5), LineReserved(order_id=A, quantity=4), LineCommitted(order_id=A, quantity=4))
    when(PlaceOrderLine(order_id=B, quantity=2))
    then(LineRejected(order_id=B, quantity=2, reason="insufficient_stock", demand=2, available=1))


@pytest.mark.parametrize("end", [LineReleased, LineExpired])
def test_what_was_given_back_is_there_for_others(end: Callable[..., object]) -> None:
    given(stock(on_hand=1), LineReserved(order_id=A), end(order_id=A))
    when(PlaceOrderLine(order_id=B))
    then(LineReserved(order_id=B))


def test_two_lines_of_one_order_on_one_sku_are_judged_on_their_sum() -> None:
    given(stock(on_hand=3))
    when(PlaceOrderLine(line=1, line_count=2, quantity=2, demand=4))
    then(LineRejected(line=1, line_count=2, quantity=2, demand=4, reason="insufficient_stock", available=3))


def test_two_lines_of_one_order_on_one_sku_get_the_last_units_together() -> None:
    given(stock(on_hand=4), LineReserved(line=1, line_count=2, quantity=2))
    when(PlaceOrderLine(line=2, line_count=2, quantity=2, demand=2))
    then(LineReserved(line=2, line_count=2, quantity=2))


# --- time ---------------------------------------------------------------------------------------------------------------


def test_a_hold_begins_when_the_command_was_appended() -> None:
    given(stock(on_hand=1))
    when(PlaceOrderLine(hold_seconds=60), at_ms=NOW_MS + 5)
    then(LineReserved(expires_at_ms=NOW_MS + 5 + 60_000))


def test_nobody_holds_stock_for_longer_than_the_limit() -> None:
    given(stock(on_hand=1))
    when(PlaceOrderLine(hold_seconds=2**31 - 1))
    then(LineReserved(expires_at_ms=NOW_MS + MAX_HOLD_SECONDS * 1000))


# --- duplicates ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fate",
    [
        (),
        (LineReleased(),),
        (LineExpired(),),
        (LineCommitted(),),
        (LineExpired(), LineCommitted()),
        (LineCommitted(), LineReturned()),
    ],
    ids=["held", "released", "expired", "committed", "expired and committed", "returned"],
)
def test_a_duplicate_is_recognised_whatever_became_of_the_line(fate: tuple[object, ...]) -> None:
    given(stock(on_hand=9), LineReserved(), *fate)
    when(PlaceOrderLine(), at_ms=NOW_MS + 2 * HOLD_SECONDS * 1000)
    then(LineRepeated())


def test_a_duplicate_is_no_reason_to_reject_when_the_line_took_the_last_unit_itself() -> None:
    given(stock(on_hand=1), LineReserved())
    when(PlaceOrderLine())
    then(LineRepeated())


def test_a_duplicate_with_other_content_is_left_to_orders_which_has_the_content() -> None:
    given(stock(on_hand=9), LineReserved())
    when(PlaceOrderLine(unit_price_minor=700, currency="GBP", customer_id="bea", payment_token="tok_bea"))
    then(LineRepeated(unit_price_minor=700, currency="GBP", customer_id="bea", payment_token="tok_bea"))


def test_a_duplicate_that_wants_another_quantity_is_refused_and_changes_nothing() -> None:
    given(stock(on_hand=9), LineReserved(quantity=1))
    when(PlaceOrderLine(quantity=2))
    detail = "quantity 1 was placed, 2 sent now"
    then(LineCommandRefused(command="PlaceOrderLine", reason="conflicting_duplicate", detail=detail))


def test_a_rejected_line_may_be_asked_for_again() -> None:
    given(LineRejected(demand=1, reason="insufficient_stock"), stock(on_hand=1))
    when(PlaceOrderLine())
    then(LineReserved())


def test_one_line_for_two_skus_is_two_holds() -> None:
    given(stock("MUG", on_hand=1), stock("TEE", on_hand=1), LineReserved(line=1, sku="MUG"))
    when(PlaceOrderLine(line=1, sku="TEE"))
    then(LineReserved(line=1, sku="TEE"))


# --- what makes no sense ------------------------------------------------------------------------------------------------

NONSENSE: list[tuple[str, dict[str, int]]] = [
    ("invalid_quantity", {"quantity": 0}),
    ("invalid_quantity", {"quantity": -1}),
    ("invalid_quantity", {"quantity": MAX_QUANTITY + 1}),
    ("invalid_quantity", {"quantity": 2, "demand": 1}),
    ("invalid_quantity", {"quantity": 2, "demand": MAX_QUANTITY + 1}),
    ("invalid_line", {"line": 0}),
    ("invalid_line", {"line": -1}),
    ("invalid_line", {"line": 3, "line_count": 2}),
    ("invalid_line", {"line": 1, "line_count": MAX_LINES + 1}),
    ("invalid_price", {"unit_price_minor": -1}),
    ("invalid_price", {"unit_price_minor": MAX_UNIT_PRICE_MINOR + 1}),
    ("invalid_charges", {"discount_minor": -1}),
    ("invalid_charges", {"discount_minor": 501}),
    ("invalid_charges", {"tax_minor": -1}),
    ("invalid_charges", {"tax_minor": 501}),
    ("invalid_charges", {"shipping_minor": -1}),
    ("invalid_charges", {"shipping_minor": MAX_UNIT_PRICE_MINOR + 1}),
    ("invalid_hold_seconds", {"hold_seconds": 0}),
    ("invalid_hold_seconds", {"hold_seconds": -900}),
]


@pytest.mark.parametrize(("reason", "figures"), NONSENSE, ids=str)
def test_figures_that_make_no_sense_are_rejected_with_the_reason(reason: str, figures: dict[str, int]) -> None:
    command = PlaceOrderLine(**figures)
    given(stock(on_hand=9))
    when(command)
    then(
        LineRejected(
            line=command.line,
            line_count=command.line_count,
            quantity=command.quantity,
            demand=command.demand,
            available=9,
            reason=reason,
        )
    )


def test_the_largest_figures_that_make_sense_are_accepted() -> None:
    given(stock(on_hand=MAX_QUANTITY))
    when(
        PlaceOrderLine(
            line=MAX_LINES,
            line_count=MAX_LINES,
            quantity=MAX_QUANTITY,
            unit_price_minor=MAX_UNIT_PRICE_MINOR,
            hold_seconds=1,
        )
    )
    then(
        LineReserved(
            line=MAX_LINES,
            line_count=MAX_LINES,
            quantity=MAX_QUANTITY,
            unit_price_minor=MAX_UNIT_PRICE_MINOR,
            expires_at_ms=NOW_MS + 1_000,
        )
    )


def test_a_gift_costs_nothing() -> None:
    given(stock(on_hand=1))
    when(PlaceOrderLine(unit_price_minor=0))
    then(LineReserved(unit_price_minor=0))


@pytest.mark.parametrize("order_id", ["", "A", A.upper(), A.replace("-", ""), "0190b6c4-7b9a-4c3e-8f00-00000000000a"])
def test_an_order_id_that_is_no_canonical_uuid7_is_refused(order_id: str) -> None:
    given(stock(on_hand=1))
    when(PlaceOrderLine(order_id=order_id))
    then_refused("invalid_order_id")


LOOK_ALIKES: list[tuple[str, str]] = [
    ("", "is empty"),
    ("x" * (MAX_TEXT + 1), "has 201 characters"),
    ("MUG ", "ends with a blank"),
    (" MUG", "begins with a blank"),
    ("M  UG", "two blanks in a row at character 2"),
    ("a\nb", "U+000A"),
    ("a\x7fb", "U+007F"),
    ("MU\u200bG", "U+200B ZERO WIDTH SPACE at character 3"),
    ("\u202egum", "U+202E RIGHT-TO-LEFT OVERRIDE at character 1"),
    ("MUG\u3164", "U+3164 HANGUL FILLER at character 4"),
    ("cafe\u0301", "not in Unicode normal form C"),
]


@pytest.mark.parametrize("field", ["sku", "customer_id", "payment_token"])
@pytest.mark.parametrize(("text", "why"), LOOK_ALIKES, ids=ascii)
def test_an_id_that_could_be_taken_for_another_is_refused_with_the_character_named(
    field: str, text: str, why: str
) -> None:
    given(stock(on_hand=1))
    when(PlaceOrderLine(**{field: text}))
    then_refused("invalid_text")
    assert why in str(story.outcomes)
    assert f"PlaceOrderLine.{field}" in str(story.outcomes)


@pytest.mark.parametrize("field", ["cart_id", "reference"])
def test_a_cart_and_a_reference_may_be_left_out_and_are_ids_if_they_are_not(field: str) -> None:
    given(stock(on_hand=1))
    when(PlaceOrderLine(**{field: "x "}))
    then_refused("invalid_text")


@pytest.mark.parametrize("sku", ["Tasse, gro\u00df", "\u30de\u30b0", "caf\u00e9 no 7"])
def test_letters_of_any_language_are_ids(sku: str) -> None:
    given(stock(sku, on_hand=1))
    when(PlaceOrderLine(sku=sku))
    then(LineReserved(sku=sku))


@pytest.mark.parametrize("currency", ["XXX", "gbp", "ZZZ", "", "EUR ", "x" * 300, "\u202eEUR"])
def test_what_is_no_currency_in_capitals_is_rejected_with_the_reason(currency: str) -> None:
    given(stock(on_hand=9))
    when(PlaceOrderLine(currency=currency))
    then(LineRejected(demand=1, available=9, reason="invalid_currency"))


def test_the_clients_own_name_of_an_order_goes_on_to_who_finds_orders_by_it() -> None:
    given(stock(on_hand=1))
    when(PlaceOrderLine(reference="INV-553547"))
    then(LineReserved(reference="INV-553547"))
    when(PlaceOrderLine(quantity=2, reference="INV-553547"))
    then(
        LineRejected(quantity=2, demand=2, available=1, reason="insufficient_stock", reference="INV-553547"),
    )


def test_terms_go_on_to_those_who_gather_the_lines() -> None:
    given(stock(on_hand=1))
    when(PlaceOrderLine(terms="ship_available capture_at_shipping"))
    then(LineReserved(terms="ship_available capture_at_shipping"))


@pytest.mark.parametrize("terms", ["free", "capture_at_shipping ship_available", "ship_available "])
def test_terms_that_nobody_knows_are_rejected_with_the_reason(terms: str) -> None:
    given(stock(on_hand=9))
    when(PlaceOrderLine(terms=terms))
    then(LineRejected(demand=1, available=9, reason="invalid_terms", terms=terms))
