"""How the command line finds out what became of a command, among all else that happens to the order."""

from __future__ import annotations

from typing import get_args

import pytest

from consumers.views.timeline import TimelineEvent, event_of, view_of
from infra.cli.order_commands import FAILURES, SETTLED_BY, outcome_of
from producers.clients.order_commands import OrderCommand
from schemas import messages as m
from schemas.ids import new_order_id
from topology.topics import ORDER_EVENTS

A = new_order_id()
SHIP = m.ShipOrder(A, "s-2", (), "dhl", "2")
CANCEL = m.CancelOrder(A, "customer", "changed_mind")
BEFORE: tuple[m.Message, ...] = (
    m.OrderPaid(A, 600, "GBP"),
    m.OrderCommandRefused(A, "ShipOrder", "s-2", "unknown_line"),
    m.OrderCommandRefused(A, "CancelOrder", "", "already_shipped"),
    m.ShipmentShipped(A, "s-1", (1,), "dhl", "1"),
)


def found(command: OrderCommand, *after: m.Message, before: tuple[m.Message, ...] = BEFORE) -> TimelineEvent | None:
    events = [
        event_of(said, event_id=f"e/{offset}", at_ms=offset, offset=offset)
        for offset, said in enumerate((*before, *after))
    ]
    known = frozenset(event.event_id for event in events[: len(before)])
    return outcome_of(command, view_of(A, events), known)


def test_every_command_has_events_that_settle_it() -> None:
    assert set(SETTLED_BY) == set(get_args(OrderCommand))
    assert all(message in ORDER_EVENTS.carries for settled in SETTLED_BY.values() for message in settled)


@pytest.mark.parametrize("command", [SHIP, CANCEL])
def test_what_was_said_before_is_no_answer(command: OrderCommand) -> None:
    assert found(command) is None


def test_a_parcel_of_another_name_is_no_answer() -> None:
    assert found(SHIP, m.ShipmentShipped(A, "s-3", (1,), "dhl", "1")) is None
    answer = found(SHIP, m.ShipmentShipped(A, "s-2", (2,), "dhl", "2"), m.OrderShipped(A))
    assert answer is not None
    assert answer.data["shipment_id"] == "s-2"


def test_a_refusal_answers_its_own_command_only() -> None:
    assert found(CANCEL, m.OrderCommandRefused(A, "ShipOrder", "s-2", "x")) is None
    refused = found(CANCEL, m.OrderCommandRefused(A, "CancelOrder", "", "already_shipped"))
    assert refused is not None
    assert refused.event_id == "e/4"


def test_a_command_that_is_sent_again_has_had_its_effect() -> None:
    shipped = m.ShipmentShipped(A, "s-2", (2,), "dhl", "2")
    assert found(SHIP, before=(*BEFORE, shipped)) is not None
    assert found(CANCEL, before=(*BEFORE, m.OrderCancelled(A, "changed_mind", "customer"))) is not None


def test_a_lapsed_authorisation_that_is_asked_for_again_answers_the_retry() -> None:
    retry = m.RetryOrder(A, "operator")
    again = found(retry, m.PaymentLapsed(A, "auth_1", "card_declined"))
    assert again is not None
    assert again.type in FAILURES
