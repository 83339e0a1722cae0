"""A line that is sent again: harmless with the same content, refused with what differs, and never a second line."""

from typing import Any

import pytest

from schemas.terms import SHIP_AVAILABLE
from tests.given_when_then import (
    CancelOrder,
    LineCommitted,
    LineExpired,
    LineRejected,
    LineRepeated,
    LineReserved,
    OrderCommandRefused,
)
from tests.unit.orders.dsl import (
    AUTHORIZED,
    COMMITTED,
    DELIVERED,
    LINE_1,
    PAID,
    REJECTED,
    RESERVED,
    RETURNED,
    SHIPPED,
    given,
    state,
    story,
    then,
    under,
    when,
)

STORIES = [(LINE_1,), RESERVED, AUTHORIZED, COMMITTED, PAID, SHIPPED, DELIVERED, RETURNED, REJECTED]
SAME = LineRepeated(line=1, line_count=2, sku="MUG")
OTHERS: list[tuple[dict[str, Any], str]] = [
    ({"unit_price_minor": 700}, "unit_price_minor 500 was placed, 700 sent now"),
    ({"discount_minor": 5}, "discount_minor 0 was placed, 5 sent now"),
    ({"tax_minor": 5}, "tax_minor 0 was placed, 5 sent now"),
    ({"shipping_minor": 5}, "shipping_minor 0 was placed, 5 sent now"),
    ({"currency": "GBP"}, "currency 'EUR' was placed, 'GBP' sent now"),
    ({"customer_id": "bea"}, "customer_id 'ann' was placed, 'bea' sent now"),
    ({"payment_token": "tok_bea"}, "payment_token differs"),
    ({"terms": SHIP_AVAILABLE}, "terms '' was placed, 'ship_available' sent now"),
    ({"line_count": 3}, "line_count 2 was placed, 3 sent now"),
]


@pytest.mark.parametrize("history", STORIES, ids=lambda history: str(len(history)))
def test_a_line_that_is_sent_again_is_harmless_in_every_state(history: tuple[Any, ...]) -> None:
    given(*history)
    was = state()
    when(SAME)
    then()
    given(*history, SAME)
    assert state() == was


@pytest.mark.parametrize("history", STORIES, ids=lambda history: str(len(history)))
@pytest.mark.parametrize(("other", "detail"), OTHERS, ids=lambda each: str(each)[:30])
def test_the_same_line_with_other_content_is_refused_with_what_differs(
    history: tuple[Any, ...], other: dict[str, Any], detail: str
) -> None:
    given(*history)
    when(LineRepeated(**{"line": 1, "line_count": 2, "sku": "MUG", **other}))
    reason = "conflicting_duplicate"
    then(OrderCommandRefused(command="PlaceOrderLine", reference="line:1", reason=reason, detail=detail))


def test_all_that_differs_is_named() -> None:
    given(LINE_1)
    when(LineRepeated(line=1, line_count=2, sku="MUG", unit_price_minor=1, customer_id="bea"))
    assert isinstance(story.outcomes, list)
    [refusal] = story.outcomes
    assert refusal.detail == "customer_id 'ann' was placed, 'bea' sent now; unit_price_minor 500 was placed, 1 sent now"


def test_the_number_of_lines_does_not_count_where_the_order_goes_on_with_fewer() -> None:
    gone = LineRejected(line=2, line_count=2, sku="TEE", demand=1, reason="insufficient_stock")
    given(*under(SHIP_AVAILABLE, LINE_1, gone))
    assert story.state.line_count == 1
    when(LineRepeated(line=1, line_count=2, sku="MUG", terms=SHIP_AVAILABLE))
    then()


def test_a_line_that_the_order_goes_on_without_has_no_price_to_compare() -> None:
    late = LineReserved(line=2, line_count=2, sku="TEE", unit_price_minor=900, terms=SHIP_AVAILABLE)
    gone = LineRejected(line=2, line_count=2, sku="TEE", demand=1, reason="insufficient_stock", terms=SHIP_AVAILABLE)
    given(*under(SHIP_AVAILABLE, LINE_1), gone, late)
    when(LineRepeated(line=2, line_count=2, sku="TEE", unit_price_minor=900, terms=SHIP_AVAILABLE))
    then()


def test_a_line_of_that_number_for_another_sku_is_not_the_orders_and_goes_back_on_its_own() -> None:
    given(LINE_1)
    when(LineRepeated(line=1, line_count=2, sku="HAT", unit_price_minor=1))
    then()


@pytest.mark.parametrize(
    "history", [(CancelOrder(),), (LINE_1, LineExpired(line=1)), (*RESERVED, LineCommitted(line=1))]
)
def test_a_repeat_leaves_no_trace(history: tuple[Any, ...]) -> None:
    given(*history)
    before = story.state.updated_at_ms
    given(*history, SAME)
    assert story.state.updated_at_ms == before
