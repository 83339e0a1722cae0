"""The view of one order: a fold of its events that does not mind in which order they were written down."""

from __future__ import annotations

import random

import msgspec
import pytest

from consumers.views.money import MoneyView
from consumers.views.timeline import OrderView, TimelineEvent, event_of, view_of
from infra.ops.order_words import WORDS, describe
from schemas import messages as m
from schemas.ids import new_order_id
from topology.states import FulfilmentState, OrderState, PaymentState, ReturnState
from topology.timeline import (
    FULFILMENT_STATE_AFTER,
    LINE_STATE_AFTER,
    ORDER_STATE_AFTER,
    PAYMENT_STATE_AFTER,
    RETURN_STATE_AFTER,
)
from topology.topics import ORDER_EVENTS

A = new_order_id()
RESERVED_1 = m.LineReserved(A, 1, 2, "MUG", 2, 250, "GBP", "c-1", "tok_ok", 900_000)
RESERVED_2 = m.LineReserved(A, 2, 2, "TIN", 1, 100, "GBP", "c-1", "tok_ok", 900_000)
REJECTED_2 = m.LineRejected(A, 2, 2, "TIN", 1, 1, 0, "c-1", "insufficient_stock")
ORDER_RESERVED = m.OrderReserved(A, 2, 600, "GBP", "c-1", "tok_ok")
PAID = (
    RESERVED_1,
    RESERVED_2,
    ORDER_RESERVED,
    m.PaymentAuthorized(A, "a-1", 600, "GBP"),
    m.LineCommitted(A, 1, "MUG", 2),
    m.LineCommitted(A, 2, "TIN", 1),
    m.OrderPlaced(A, 600, "GBP"),
    m.PaymentCaptured(A, "a-1", 600, "GBP"),
    m.OrderPaid(A, 600, "GBP"),
)


def events(*messages: m.Message) -> list[TimelineEvent]:
    return [
        event_of(message, event_id=f"test/0/{offset}/0", at_ms=1_000 + offset, offset=offset)
        for offset, message in enumerate(messages)
    ]


def seen(*messages: m.Message) -> OrderView:
    return view_of(A, events(*messages))


@pytest.mark.parametrize(
    ("messages", "state", "payment", "reason"),
    [
        ((), OrderState.UNKNOWN, PaymentState.NONE, ""),
        ((RESERVED_1,), OrderState.PENDING, PaymentState.NONE, ""),
        ((REJECTED_2,), OrderState.PENDING, PaymentState.NONE, ""),
        (PAID[:3], OrderState.RESERVED, PaymentState.AUTHORIZING, ""),
        (PAID[:4], OrderState.COMMITTING, PaymentState.AUTHORIZED, ""),
        (PAID[:7], OrderState.PLACED, PaymentState.CAPTURING, ""),
        (PAID, OrderState.PAID, PaymentState.CAPTURED, ""),
        (
            (RESERVED_1, REJECTED_2, m.OrderRejected(A, "insufficient_stock"), m.LineReleased(A, 1, "MUG", 2, "x")),
            OrderState.REJECTED,
            PaymentState.NONE,
            "insufficient_stock",
        ),
        (
            (*PAID[:7], m.PaymentCaptureFailed(A, "a-1", "x"), m.OrderCancelled(A, "capture_failed")),
            OrderState.CANCELLED,
            PaymentState.CAPTURE_FAILED,
            "capture_failed",
        ),
    ],
)
def test_an_order_is_in_the_state_of_its_latest_event(
    messages: tuple[m.Message, ...], state: OrderState, payment: PaymentState, reason: str
) -> None:
    view = seen(*messages)
    assert (view.state, view.payment, view.reason) == (state, payment, reason)
    assert view.is_final == (state in {OrderState.PAID, OrderState.REJECTED, OrderState.CANCELLED})


LINES = (m.OrderedLine(1, "MUG", 2, 250), m.OrderedLine(2, "TIN", 1, 100))
BY_SHIPMENT = (
    *PAID[:6],
    m.OrderPlaced(A, 600, "GBP", "capture_at_shipping", LINES),
    m.PaymentCaptured(A, "a-1", 500, "GBP", "s-1"),
    m.ShipmentShipped(A, "s-1", (1,), "dhl", "1"),
    m.PaymentCaptured(A, "a-1", 100, "GBP", "s-2"),
    m.ShipmentShipped(A, "s-2", (2,), "dhl", "2"),
    m.OrderShipped(A),
    m.ShipmentDelivered(A, "s-1"),
    m.OrderDelivered(A),
    m.ReturnRequested(A, "r-1", (1,), "too small", 9_000),
    m.ReturnApproved(A, "r-1", 9_000),
    m.ReturnReceived(A, "r-1", (1,), "available"),
    m.PaymentRefunded(A, "line:1", 500, "GBP"),
    m.PaymentRefunded(A, "line:2", 100, "GBP"),
    m.OrderReturned(A),
)


@pytest.mark.parametrize(
    ("incoming", "state", "payment", "fulfilment"),
    [
        (7, OrderState.PLACED, PaymentState.AUTHORIZED, FulfilmentState.OPEN),
        (9, OrderState.PLACED, PaymentState.PARTIALLY_CAPTURED, FulfilmentState.PARTLY_SHIPPED),
        (12, OrderState.SHIPPED, PaymentState.CAPTURED, FulfilmentState.SHIPPED),
        (14, OrderState.DELIVERED, PaymentState.CAPTURED, FulfilmentState.DELIVERED),
        (18, OrderState.DELIVERED, PaymentState.PARTIALLY_REFUNDED, FulfilmentState.DELIVERED),
        (20, OrderState.RETURNED, PaymentState.REFUNDED, FulfilmentState.DELIVERED),
    ],
)
def test_order_payment_and_fulfilment_stand_apart(
    incoming: int, state: OrderState, payment: PaymentState, fulfilment: FulfilmentState
) -> None:
    view = seen(*BY_SHIPMENT[:incoming])
    assert (view.state, view.payment, view.fulfilment) == (state, payment, fulfilment)


def test_money_and_returns_are_summed_up() -> None:
    view = seen(*BY_SHIPMENT)
    assert view.money == MoneyView(authorized_minor=600, captured_minor=600, refunded_minor=600)
    assert view.returns == {"r-1": ReturnState.RECEIVED}


def test_what_is_voided_is_what_was_not_captured() -> None:
    view = seen(*BY_SHIPMENT[:9], m.PaymentVoided(A, "a-1"))
    assert view.money == MoneyView(authorized_minor=600, captured_minor=500, voided_minor=100)
    assert view.payment is PaymentState.CAPTURED


def test_the_path_has_each_step_of_each_axis_once() -> None:
    way = [(step.axis, step.state) for step in seen(*PAID).path]
    assert [state for axis, state in way if axis == "order"] == ["pending", "reserved", "committing", "placed", "paid"]
    assert [state for axis, state in way if axis == "fulfilment"] == ["open"]


def test_a_renewed_authorisation_does_not_take_an_order_back() -> None:
    assert seen(*BY_SHIPMENT[:7], m.PaymentAuthorized(A, "a-2", 600, "GBP")).state is OrderState.PLACED


def test_lines_are_summed_up_by_number_and_sku() -> None:
    view = seen(REJECTED_2, RESERVED_1, m.LineReleased(A, 1, "MUG", 2, "insufficient_stock"))
    assert [(line.line, line.sku, line.quantity, line.unit_price_minor, line.state) for line in view.lines] == [
        (1, "MUG", 2, 250, "released"),
        (2, "TIN", 1, None, "rejected"),
    ]
    assert (view.customer_id, view.currency, view.line_count, view.amount_minor) == ("c-1", "GBP", 2, 0)


def test_the_order_in_which_events_were_written_down_does_not_matter() -> None:
    inorder = events(*PAID)
    for seed in range(20):
        assert view_of(A, random.Random(seed).sample(inorder, len(inorder))) == view_of(A, inorder)


def test_an_event_published_again_counts_where_it_was_published_first() -> None:
    once = events(*PAID)
    again = [
        TimelineEvent(event.event_id, event.type, event.at_ms + 50, event.offset + len(once), event.data)
        for event in once[2:5]
    ]
    assert view_of(A, [*once, *again]) == view_of(A, once)


def test_a_line_that_the_order_goes_on_without_says_nothing_about_its_shipping() -> None:
    own = msgspec.structs.replace(RESERVED_1, terms="ship_available")
    late = msgspec.structs.replace(RESERVED_2, shipping_minor=495)
    reserved = m.OrderReserved(A, 1, 500, "GBP", "c-1", "tok_ok")
    released = m.LineReleased(A, 2, "TIN", 1, "line_left_out")
    assert seen(REJECTED_2, own, reserved, late, released).shipping_minor == 0
    charged = msgspec.structs.replace(own, shipping_minor=300)
    assert seen(REJECTED_2, charged, reserved, late, released).shipping_minor == 300


def test_nobody_who_looks_on_sees_how_it_is_paid() -> None:
    assert all("payment_token" not in event.data and "tok_ok" not in event.data.values() for event in events(*PAID))


def test_every_event_of_an_order_has_its_words_and_no_other() -> None:
    assert WORDS.keys() == {message.__name__ for message in ORDER_EVENTS.carries}
    assert describe(events(RESERVED_1)[0], "GBP") == "line 1 of 2: 2 x MUG at GBP 2.50, held until 00:15:00"
    charged = msgspec.structs.replace(RESERVED_1, discount_minor=50, tax_minor=20, shipping_minor=495)
    assert describe(events(charged)[0], "GBP") == (
        "line 1 of 2: 2 x MUG at GBP 2.50, less GBP 0.50, tax GBP 0.20, shipping of the order GBP 4.95, held until 00:15:00"
    )
    assert describe(events(REJECTED_2)[0], "") == "line 2 of 2: 1 x TIN refused, 1 wanted and 0 there"


@pytest.mark.parametrize("message", ORDER_EVENTS.carries)
def test_the_words_name_only_what_the_event_has(message: type[m.Message]) -> None:
    values = {"str": "x", "int": 7, "tuple[int, ...]": (1, 2), "tuple[OrderedLine, ...]": LINES}
    sample = message(*(values[message.__annotations__[name]] for name in message.__struct_fields__))
    [event] = events(sample)
    assert describe(event, "GBP")


def test_the_tables_speak_of_events_only_and_reach_every_state() -> None:
    for table in (
        ORDER_STATE_AFTER,
        LINE_STATE_AFTER,
        PAYMENT_STATE_AFTER,
        FULFILMENT_STATE_AFTER,
        RETURN_STATE_AFTER,
    ):
        assert table.keys() <= set(ORDER_EVENTS.carries)
    by_the_fold = {OrderState.UNKNOWN, OrderState.PENDING, OrderState.COMMITTING}
    assert {*ORDER_STATE_AFTER.values()} | by_the_fold == set(OrderState)
    never_reported = {PaymentState.NONE, PaymentState.VOIDING, PaymentState.REFUNDING, PaymentState.INSPECTING}
    by_sums = {PaymentState.PARTIALLY_CAPTURED, PaymentState.REFUNDED, PaymentState.DISPUTED}
    assert {*PAYMENT_STATE_AFTER.values()} | never_reported | by_sums == set(PaymentState)
    assert {*FULFILMENT_STATE_AFTER.values(), FulfilmentState.NONE} == set(FulfilmentState)
    assert set(RETURN_STATE_AFTER.values()) == set(ReturnState)
