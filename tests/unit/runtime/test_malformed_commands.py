"""What is malformed is a dead letter in whatever state it comes: at every room that accepts it, with the field named."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.errors import RefusedError
from consumers.fulfilment.room import FulfilmentRoom
from consumers.orders.room import OrdersRoom
from consumers.runtime.deciding.now import Now
from consumers.runtime.room import Room
from schemas import messages as m
from schemas.ids import new_order_id
from schemas.limits import MAX_LINES
from tests.given_when_then import NOW_MS, A
from tests.unit.fulfilment.dsl import DELIVERED, PAID
from tests.unit.orders import dsl as orders
from tests.unit.payments import dsl as payments
from tests.unit.payments.test_long_after import Room as PaymentsRoom

SHIP = {"shipment_id": "S1", "lines": (), "carrier": "post", "tracking": "T1"}
RECEIVE = {"return_id": "R1", "lines": (), "disposition": "available"}
REFUND = {"refund_id": "sorry", "amount_minor": 1, "reason": "kindness"}
FULFILMENT, ORDERS, PAYMENTS = FulfilmentRoom(), OrdersRoom(), PaymentsRoom()

MALFORMED: list[tuple[Room[Any], type[m.Message], dict[str, Any], str, str]] = [
    (FULFILMENT, m.ShipOrder, {**SHIP, "lines": (1, 1)}, "invalid_lines", "names line 1 twice"),
    (FULFILMENT, m.ShipOrder, {**SHIP, "lines": (0,)}, "invalid_lines", "names line 0"),
    (FULFILMENT, m.ShipOrder, {**SHIP, "lines": (1, -1)}, "invalid_lines", "names line -1"),
    (FULFILMENT, m.ShipOrder, {**SHIP, "lines": (MAX_LINES + 1,)}, "invalid_lines", "names line 2001"),
    (FULFILMENT, m.ShipOrder, {**SHIP, "shipment_id": ""}, "invalid_text", "is empty"),
    (FULFILMENT, m.ShipOrder, {**SHIP, "shipment_id": "x" * 201}, "invalid_text", "201 characters"),
    (FULFILMENT, m.ShipOrder, {**SHIP, "shipment_id": "S1 "}, "invalid_text", "ends with a blank"),
    (FULFILMENT, m.ShipOrder, {**SHIP, "shipment_id": "S\u200b1"}, "invalid_text", "U+200B ZERO WIDTH SPACE"),
    (FULFILMENT, m.ShipOrder, {**SHIP, "shipment_id": "line:1"}, "invalid_shipment_id", "the saga gives itself"),
    (FULFILMENT, m.ShipOrder, {**SHIP, "tracking": "T\n1"}, "invalid_text", "U+000A"),
    (FULFILMENT, m.ConfirmDelivery, {"shipment_id": ""}, "invalid_text", "is empty"),
    (FULFILMENT, m.ReportLostParcel, {"shipment_id": "S1", "reason": ""}, "invalid_text", "reason"),
    (
        FULFILMENT,
        m.RequestReturn,
        {"return_id": " R1", "lines": (), "reason": "x"},
        "invalid_text",
        "begins with a blank",
    ),
    (FULFILMENT, m.RequestReturn, {"return_id": "R1", "lines": (2, 2), "reason": "x"}, "invalid_lines", "line 2 twice"),
    (FULFILMENT, m.ApproveReturn, {"return_id": "a\tb"}, "invalid_text", "U+0009"),
    (FULFILMENT, m.RefuseReturn, {"return_id": "R1", "reason": "x" * 201}, "invalid_text", "201 characters"),
    (
        FULFILMENT,
        m.ReceiveReturn,
        {**RECEIVE, "disposition": "the garden"},
        "invalid_disposition",
        "available or quarantine",
    ),
    (FULFILMENT, m.ReceiveReturn, {**RECEIVE, "lines": (-1,)}, "invalid_lines", "names line -1"),
    (
        ORDERS,
        m.CancelOrder,
        {"requested_by": "a passer-by", "reason": "x"},
        "invalid_requested_by",
        "customer or merchant",
    ),
    (ORDERS, m.CancelOrder, {"requested_by": "customer", "reason": "one\ntwo"}, "invalid_text", "U+000A"),
    (PAYMENTS, m.RefundOrder, {**REFUND, "refund_id": "line:1"}, "invalid_refund_id", "the saga gives itself"),
    (PAYMENTS, m.RefundOrder, {**REFUND, "refund_id": "cancelled"}, "invalid_refund_id", "the saga gives itself"),
    (PAYMENTS, m.RefundOrder, {**REFUND, "refund_id": "a  b"}, "invalid_text", "two blanks in a row"),
    (PAYMENTS, m.RefundOrder, {**REFUND, "amount_minor": 0}, "invalid_amount", "is 0"),
    (PAYMENTS, m.RefundOrder, {**REFUND, "amount_minor": -5}, "invalid_amount", "is -5"),
    (PAYMENTS, m.RetryOrder, {"requested_by": ""}, "invalid_text", "requested_by"),
    (PAYMENTS, m.ResolveOrder, {"requested_by": "merchant", "note": ""}, "invalid_text", "note"),
]
STORIES: dict[str, list[tuple[Any, ...]]] = {
    "fulfilment": [(), (PAID,), DELIVERED],
    "orders": [(), orders.PAID, orders.SHIPPED, orders.CANCELLED, orders.REJECTED],
    "payments": [(), payments.CAPTURED, payments.REFUND_FAILED],
}


@pytest.mark.parametrize(
    ("room", "kind", "fields", "reason", "why"),
    MALFORMED,
    ids=[f"{row[1].__name__}-{n}" for n, row in enumerate(MALFORMED)],
)
def test_a_malformed_command_is_a_dead_letter_in_every_state(
    room: Room[Any], kind: type[m.Message], fields: dict[str, Any], reason: str, why: str
) -> None:
    for story in STORIES[room.name]:
        state = room.new_state(0)
        for message in story:
            list(room.decide(state, message, NOW_MS))
        state.changed.clear()
        with pytest.raises(RefusedError) as refusal:
            list(room.decide(state, kind(order_id=A, **fields), NOW_MS))
        assert refusal.value.reason == reason
        assert why in refusal.value.detail
        assert kind.__name__ in refusal.value.detail
        assert not state.changed


@pytest.mark.parametrize("order_id", ["order 66", A.upper(), f"{A} ", ""])
def test_a_command_about_what_is_no_order_id_is_a_dead_letter(order_id: str) -> None:
    commands = (
        m.CancelOrder(order_id, "customer", "x"),
        m.ConfirmDelivery(order_id, "S1"),
        m.RetryOrder(order_id, "x"),
    )
    rooms: tuple[Room[Any], ...] = (ORDERS, FULFILMENT, PAYMENTS)
    for room, command in zip(rooms, commands, strict=True):
        with pytest.raises(RefusedError, match="invalid_order_id"):
            list(room.decide(room.new_state(0), command, NOW_MS))


def test_a_parcel_of_before_whose_id_no_new_one_could_get_can_still_arrive() -> None:
    """Rules for new ids do not strand what has one: it is named as it is."""
    room, order_id = FulfilmentRoom(), new_order_id(NOW_MS)
    state = room.new_state(0)
    paid = m.OrderPaid(order_id, 500, "EUR", (m.OrderedLine(1, "WS ", 1, 500),))
    list(room.decide(state, paid, NOW_MS))
    fulfilment = state.by_order[order_id]
    requested = m.ShipmentRequested(order_id, "S 1 ", (1,), 500)
    before = m.ShipOrder(order_id, "S 1 ", (1,), "post", "T1")
    room.decider.evolve(fulfilment, before, [requested, m.ShipLine(order_id, 1, "WS ")], Now(NOW_MS))
    list(room.decide(state, m.LineShipped(order_id, 1, "WS ", 1), NOW_MS))
    arrived = list(room.decide(state, m.ConfirmDelivery(order_id, "S 1 "), NOW_MS))
    assert arrived[0] == m.ShipmentDelivered(order_id, "S 1 ")
