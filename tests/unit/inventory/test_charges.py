"""What a line is charged beside its price."""

from schemas.terms import CAPTURE_AT_SHIPPING
from tests.given_when_then import LineRejected, LineRepeated, LineReserved, PlaceOrderLine
from tests.unit.inventory.dsl import given, stock, then, when


def test_charges_are_reserved_with_the_line() -> None:
    charges = {"discount_minor": 500, "tax_minor": 100, "shipping_minor": 495}
    given(stock(on_hand=1))
    when(PlaceOrderLine(**charges))
    then(LineReserved(**charges))


def test_shipping_cannot_be_charged_where_each_parcel_is_captured_for_itself() -> None:
    given(stock(on_hand=1))
    when(PlaceOrderLine(terms=CAPTURE_AT_SHIPPING, shipping_minor=495))
    then(LineRejected(terms=CAPTURE_AT_SHIPPING, demand=1, available=1, reason="invalid_charges"))


def test_a_line_sent_again_is_repeated_with_the_charges_of_this_time() -> None:
    given(stock(on_hand=1), LineReserved(discount_minor=5))
    when(PlaceOrderLine(discount_minor=6, shipping_minor=495))
    then(LineRepeated(discount_minor=6, shipping_minor=495))
