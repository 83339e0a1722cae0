"""Units that come in."""

import pytest

from schemas.limits import MAX_QUANTITY, MAX_TEXT
from tests.given_when_then import (
    ReceiveStock,
)
from tests.unit.inventory.dsl import given, received, story, then, then_refused, when


def test_received_units_are_added() -> None:
    given()
    when(ReceiveStock(command_id="delivery-7", sku="MUG", quantity=12))
    then(received("delivery-7", "MUG", 12))


def test_the_largest_delivery_under_the_longest_names_is_received() -> None:
    given()
    when(ReceiveStock(command_id="d" * MAX_TEXT, sku="s" * MAX_TEXT, quantity=MAX_QUANTITY))
    then(received("d" * MAX_TEXT, "s" * MAX_TEXT, MAX_QUANTITY))


def test_a_delivery_is_received_once_however_often_it_is_sent() -> None:
    given(received("delivery-7", "MUG", 12))
    when(ReceiveStock(command_id="delivery-7", quantity=12))
    then()


def test_another_delivery_under_the_same_id_is_refused_with_what_differs() -> None:
    given(received("delivery-7", "MUG", 12))
    when(ReceiveStock(command_id="delivery-7", quantity=5))
    then_refused("conflicting_duplicate")
    assert "delivery-7 stands for quantity 12; sent now: quantity 5" in str(story.outcomes)


@pytest.mark.parametrize("quantity", [0, -1, MAX_QUANTITY + 1])
def test_a_delivery_of_no_or_too_many_units_is_refused(quantity: int) -> None:
    given()
    when(ReceiveStock(quantity=quantity))
    then_refused("invalid_quantity")


@pytest.mark.parametrize(
    "wrong", [{"command_id": ""}, {"command_id": "x" * (MAX_TEXT + 1)}, {"sku": ""}, {"sku": "\t"}]
)
def test_a_delivery_without_a_name_is_refused(wrong: dict[str, str]) -> None:
    given()
    when(ReceiveStock(**wrong))
    then_refused("invalid_text")
