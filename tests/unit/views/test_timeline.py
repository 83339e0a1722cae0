"""The view of one order: a fold of its events that does not mind in which order they were written down."""

from __future__ import annotations

import random

import pytest

from consumers.views.timeline import OrderView, TimelineEvent, event_of, view_of
from infra.cli.timeline import WORDS, told
from schemas import messages as m
from schemas.ids import new_order_id
from topology.states import OrderState, PaymentState
from topology.timeline import LINE_STATE_AFTER, ORDER_STATE_AFTER, PAYMENT_STATE_AFTER
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
        (PAID[:4], OrderState.RESERVED, PaymentState.AUTHORIZED, ""),
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
def test_an_order_stands_where_its_latest_event_about_it_says(
    messages: tuple[m.Message, ...], state: OrderState, payment: PaymentState, reason: str
) -> None:
    view = seen(*messages)
    assert (view.state, view.payment, view.reason) == (state, payment, reason)
    assert view.is_final == (state in {OrderState.PAID, OrderState.REJECTED, OrderState.CANCELLED})


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


def test_an_event_said_again_counts_where_it_was_said_first() -> None:
    once = events(*PAID)
    again = [TimelineEvent(it.event_id, it.type, it.at_ms + 50, it.offset + len(once), it.data) for it in once[2:5]]
    assert view_of(A, [*once, *again]) == view_of(A, once)


def test_nobody_who_looks_on_sees_how_it_is_paid() -> None:
    assert all("payment_token" not in event.data and "tok_ok" not in event.data.values() for event in events(*PAID))


def test_every_event_of_an_order_has_its_words_and_no_other() -> None:
    assert WORDS.keys() == {message.__name__ for message in ORDER_EVENTS.carries}
    assert told(events(RESERVED_1)[0], "GBP") == "line 1 of 2: 2 x MUG at GBP 2.50, held until 00:15:00"
    assert told(events(REJECTED_2)[0], "") == "line 2 of 2: 1 x TIN refused, 1 wanted and 0 there"


@pytest.mark.parametrize("message", ORDER_EVENTS.carries)
def test_the_words_name_only_what_the_event_has(message: type[m.Message]) -> None:
    values = {"str": "x", "int": 7}
    sample = message(*(values[message.__annotations__[name]] for name in message.__struct_fields__))
    [event] = events(sample)
    assert told(event, "GBP")


def test_the_tables_speak_of_events_only_and_reach_every_state() -> None:
    for table in (ORDER_STATE_AFTER, LINE_STATE_AFTER, PAYMENT_STATE_AFTER):
        assert table.keys() <= set(ORDER_EVENTS.carries)
    assert {*ORDER_STATE_AFTER.values(), OrderState.UNKNOWN, OrderState.PENDING} == set(OrderState)
    assert {*PAYMENT_STATE_AFTER.values(), PaymentState.NONE, PaymentState.VOIDING} == set(PaymentState)
