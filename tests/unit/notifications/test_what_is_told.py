"""What is told of an event, under which id, and what a subscriber is sent."""

from __future__ import annotations

import msgspec
import pytest

from consumers.notifications.room import NotificationsRoom
from consumers.notifications.state import NotificationsState
from consumers.notifications.store import body_of, changes
from consumers.notifications.transitions import decide
from consumers.runtime.deciding.now import Now
from schemas import messages as m
from schemas.codec.wire import encode
from schemas.ids import new_order_id
from schemas.limits import MAX_LINES
from topology.saga import NOTIFIED, messages_accepted_by

A = new_order_id()
PAID = m.OrderPaid(A, 600, "GBP", (m.OrderedLine(1, "MUG", 2, 300),))


def notifications(event: m.Message) -> list[m.OrderNotification]:
    return decide(NotificationsState(0), event, Now(7))


def notification_of(event: m.Message) -> m.OrderNotification:
    [notification] = notifications(event)
    return notification


def test_an_order_is_confirmed_when_it_is_paid() -> None:
    assert notification_of(PAID) == m.OrderNotification(f"{A}:order.confirmed", A, "order.confirmed", 7, 600, "GBP")


def test_an_order_that_is_paid_at_shipping_is_confirmed_when_it_is_placed() -> None:
    assert notifications(m.OrderPlaced(A, 600, "GBP")) == []
    placed = m.OrderPlaced(A, 600, "GBP", "ship_available capture_at_shipping", PAID.lines)
    assert notification_of(placed).kind == "order.confirmed"


def test_two_refunds_of_one_order_are_two_notifications_and_one_refund_published_twice_is_one() -> None:
    one, other = m.PaymentRefunded(A, "line:1", 100, "GBP"), m.PaymentRefunded(A, "line:2", 100, "GBP")
    assert notification_of(one).event_id != notification_of(other).event_id
    assert notification_of(one).event_id == notification_of(one).event_id


def test_a_command_that_is_refused_for_another_reason_is_notified_again() -> None:
    one = m.OrderCommandRefused(A, "ShipOrder", "s-1", "authorization_lapsed")
    other = m.OrderCommandRefused(A, "ShipOrder", "s-1", "order_cancelled")
    assert notification_of(one).reference == "ShipOrder:s-1"
    assert notification_of(one).event_id != notification_of(other).event_id


@pytest.mark.parametrize("event", NOTIFIED, ids=lambda event: event.__name__)
def test_every_accepted_event_can_be_notified_and_written(event: type[m.Message]) -> None:
    values = {"str": "x", "int": 1, "tuple[int, ...]": (1, 2), "tuple[OrderedLine, ...]": PAID.lines}
    sample = event(*(values[event.__annotations__[name]] for name in event.__struct_fields__))
    for notification in notifications(sample):
        assert encode(notification)
        assert msgspec.json.decode(body_of(notification))["type"] == NOTIFIED[event]


def test_a_return_of_every_line_that_an_order_may_have_can_be_written() -> None:
    lines = tuple(range(1, MAX_LINES + 1))
    whole, rest = (notification_of(m.ReturnReceived(A, "r-1", those, "available")) for those in (lines, lines[1:]))
    assert encode(whole)
    assert whole.event_id != rest.event_id


def test_the_room_accepts_what_is_notified() -> None:
    assert messages_accepted_by("notifications") == NOTIFIED.keys()
    assert NotificationsRoom.accepts == NOTIFIED.keys()


def test_a_subscriber_is_sent_what_concerns_it_and_nothing_empty() -> None:
    assert msgspec.json.decode(body_of(notification_of(m.ShipmentShipped(A, "s-1", (1,), "dhl", "42")))) == {
        "type": "shipment.shipped",
        "timestamp_ms": 7,
        "data": {"order_id": A, "reference": "s-1", "detail": "dhl 42"},
    }


def test_a_batch_is_notified_once() -> None:
    state = NotificationsState(3)
    state.notifications.append(notification_of(PAID))
    first, second = changes(state), changes(state)
    assert [column[0] for column in first.columns[:3]] == [f"{A}:order.confirmed", 3, "order.confirmed"]
    assert (list(first.effects), list(second.effects)) == ([1], [])
    assert second.columns == ([], [], [], [], [])
