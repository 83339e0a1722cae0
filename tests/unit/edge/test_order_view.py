"""What an order's page shows: how far it is, what may still be done about it, and what was charged."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.views.timeline import OrderView, event_of, view_of
from infra.edge.shop.delivery import Address, address_in, fields_of
from infra.edge.shop.order_actions import _may_ask, _may_go
from infra.edge.shop.order_view import next_return_id, shown_order
from schemas import messages as m
from schemas.ids import new_order_id
from tests.given_when_then import NOW_MS, A, LineReserved

RESERVED = LineReserved(line=1, line_count=2, discount_minor=50, tax_minor=20, shipping_minor=495)
OTHER = LineReserved(line=2, line_count=2, sku="TEE", quantity=2, shipping_minor=495)
LINES = (m.OrderedLine(1, "MUG", 1, 500, 50, 20), m.OrderedLine(2, "TEE", 2, 500))
ORDERED = (RESERVED, OTHER, m.OrderReserved(A, 2, 1_965, "EUR", "ann", "tok"))
PAID = (*ORDERED, m.OrderPlaced(A, 1_965, "EUR"), m.OrderPaid(A, 1_965, "EUR", LINES))
SHIPPED = (
    *PAID,
    m.LineShipped(A, 1, "MUG", 1),
    m.LineShipped(A, 2, "TEE", 2),
    m.ShipmentShipped(A, "S1", (1, 2), "post", "T1"),
    m.OrderShipped(A),
)
DELIVERED = (*SHIPPED, m.ShipmentDelivered(A, "S1"), m.OrderDelivered(A))
ASKED = (*DELIVERED, m.ReturnRequested(A, "shop-1", (1,), "too small", NOW_MS))


def view(*messages: m.Message) -> OrderView:
    return view_of(
        A,
        [
            event_of(message, event_id=str(place), at_ms=NOW_MS + place, offset=place)
            for place, message in enumerate(messages)
        ],
    )


def shown(*messages: m.Message) -> dict[str, Any]:
    return shown_order(view(*messages))


def test_charges_are_rows_of_the_order() -> None:
    page = shown(*PAID)
    assert page["total"] == "EUR 19.65"
    assert page["charges"] == [("Discount", "EUR -0.50"), ("Tax", "EUR 0.20"), ("Shipping", "EUR 4.95")]
    assert [line["price"] for line in page["lines"]] == ["EUR 5.00", "EUR 10.00"]


@pytest.mark.parametrize(
    ("messages", "cancel", "back"),
    [
        (ORDERED, True, []),
        (PAID, True, []),
        (SHIPPED, False, []),
        (DELIVERED, False, [1, 2]),
        (ASKED, False, [2]),
        ((*ASKED, m.ReturnRefused(A, "shop-1", "worn")), False, [1, 2]),
        ((*PAID, m.OrderCancelled(A, "customer")), False, []),
    ],
)
def test_what_may_be_done_is_offered(messages: tuple[m.Message, ...], cancel: bool, back: list[int]) -> None:
    page = shown(*messages)
    assert (page["can_be_cancelled"], page["can_be_returned"]) == (cancel, back)


def test_an_order_without_events_offers_nothing() -> None:
    page = shown_order(None)
    assert page.keys() == shown(*PAID).keys()
    assert (page["is_live"], page["can_be_cancelled"], page["lines"]) == (True, False, ())


def test_parcels_steps_returns_and_refusals_are_shown() -> None:
    page = shown(*ASKED, m.OrderCommandRefused(A, "CancelOrder", "", "already_shipped"))
    assert page["parcels"] == [{"carrier": "post", "tracking": "T1", "state": "delivered"}]
    assert [text for _, text in page["steps"]] == [
        "Ordered",
        "Reserved for you",
        "Placed",
        "Paid",
        "Sent",
        "Delivered",
    ]
    assert page["returns"] == ["asked for"]
    assert page["refused"] == "It could not be cancelled: already shipped."


def test_a_return_is_asked_for_once_and_of_what_arrived() -> None:
    delivered, asked = view(*DELIVERED), view(*ASKED)
    assert (next_return_id(delivered), next_return_id(asked)) == ("shop-1", "shop-2")
    assert _may_ask(delivered, "shop-1", (1, 2))
    assert not _may_ask(delivered, "shop-1", ())
    assert not _may_ask(delivered, "shop-1", (3,))
    assert not _may_ask(delivered, "shop-9", (1,))
    assert not _may_ask(asked, "shop-2", (1,))
    assert not _may_ask(view(*PAID), "shop-1", (1,))
    assert not _may_ask(None, "shop-1", (1,))


def test_an_address_may_go_once_nothing_will_leave_any_more() -> None:
    assert _may_go(A, view(*SHIPPED))
    assert _may_go(A, view(*ORDERED, m.OrderRejected(A, "payment_declined")))
    assert not _may_go(A, view(*PAID))
    assert not _may_go(new_order_id(), None)  # it may be on its way
    assert _may_go(new_order_id(1_600_000_000_000), None)


FORM = {"name": " Ann  Lee ", "street": "1 High St", "postcode": "N1 1AA", "city": "London", "country": "gb"}
ANN = Address("Ann Lee", "1 High St", "N1 1AA", "London", "GB")


def test_an_address_is_read_with_its_blanks_trimmed() -> None:
    assert address_in(FORM) == ANN
    assert ANN.faults() == {}
    assert ANN.rows == ["Ann Lee", "1 High St", "N1 1AA London", "GB"]
    assert address_in({"quote": "x"}) is None


def test_all_that_is_wrong_with_an_address_is_named_at_once() -> None:
    address = address_in({**FORM, "name": "", "street": "x" * 201, "city": "Lon\u200bdon", "country": "Britain"})
    assert address is not None
    assert address.faults().keys() == {"name", "street", "city", "country"}
    fields = {field["name"]: field for field in fields_of(address, address.faults())}
    assert (fields["name"]["fault"], fields["postcode"]["fault"]) == ("is empty", "")
    assert fields["country"]["value"] == "BRITAIN"
