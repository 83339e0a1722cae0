"""How the command line finds out what became of a command, among all else that happens to the order."""

from __future__ import annotations

import pytest

from consumers.views.timeline import TimelineEvent, event_of, view_of
from infra.cli.commands.order.changing import FAILURES
from infra.cli.order_outcomes import outcome_of
from producers.clients.order_commands import OrderCommand
from schemas import messages as m
from schemas.ids import new_order_id
from topology.answers import REFERENCES

A = new_order_id()
SHIP = m.ShipOrder(A, "s-2", (), "dhl", "2")
CANCEL = m.CancelOrder(A, "customer", "changed_mind")
BEFORE: tuple[m.Message, ...] = (
    m.OrderPaid(A, 600, "GBP"),
    m.OrderCommandRefused(A, "ShipOrder", "s-2", "unknown_line"),
    m.OrderCommandRefused(A, "CancelOrder", "", "already_shipped"),
    m.ShipmentShipped(A, "s-1", (1,), "dhl", "1"),
)


def event_answering(
    command: OrderCommand, *after: m.Message, before: tuple[m.Message, ...] = BEFORE
) -> TimelineEvent | None:
    events = [
        event_of(message, event_id=f"e/{offset}", at_ms=offset, offset=offset)
        for offset, message in enumerate((*before, *after))
    ]
    known = frozenset(event.event_id for event in events[: len(before)])
    return outcome_of(command, view_of(A, events), known)


@pytest.mark.parametrize("command", [SHIP, CANCEL])
def test_an_event_published_before_the_command_is_no_answer(command: OrderCommand) -> None:
    assert event_answering(command) is None


def test_a_parcel_of_another_name_is_no_answer() -> None:
    assert event_answering(SHIP, m.ShipmentShipped(A, "s-3", (1,), "dhl", "1")) is None
    answer = event_answering(SHIP, m.ShipmentShipped(A, "s-2", (2,), "dhl", "2"), m.OrderShipped(A))
    assert answer is not None
    assert answer.data["shipment_id"] == "s-2"


def test_a_refusal_answers_its_own_command_only() -> None:
    assert event_answering(CANCEL, m.OrderCommandRefused(A, "ShipOrder", "s-2", "x")) is None
    refused = event_answering(CANCEL, m.OrderCommandRefused(A, "CancelOrder", "", "already_shipped"))
    assert refused is not None
    assert refused.event_id == "e/4"


def test_a_command_that_is_sent_again_has_had_its_effect() -> None:
    shipped = m.ShipmentShipped(A, "s-2", (2,), "dhl", "2")
    assert event_answering(SHIP, before=(*BEFORE, shipped)) is not None
    assert event_answering(m.ShipOrder(A, "s-2", (2,), "dhl", "2"), before=(*BEFORE, shipped)) is not None
    assert event_answering(CANCEL, before=(*BEFORE, m.OrderCancelled(A, "changed_mind", "customer"))) is not None


@pytest.mark.parametrize(
    ("command", "first"),
    [
        (m.ShipOrder(A, "s-2", (2,), "dhl", "2"), m.ShipmentShipped(A, "s-2", (1,), "dhl", "2")),
        (m.ShipOrder(A, "s-2", (), "dhl", "3"), m.ShipmentShipped(A, "s-2", (1,), "dhl", "2")),
        (m.RefundOrder(A, "r-1", 60, "goodwill"), m.PaymentRefunded(A, "r-1", 50, "GBP")),
        (m.RequestReturn(A, "r-1", (1,), "broken"), m.ReturnRequested(A, "r-1", (2,), "broken", 9)),
    ],
)
def test_an_id_used_again_with_other_content_has_no_effect_of_the_first_command(
    command: OrderCommand, first: m.Message
) -> None:
    assert event_answering(command, before=(*BEFORE, first)) is None
    name, reference = (
        type(command).__name__,
        next(getattr(command, field) for field in REFERENCES if hasattr(command, field)),
    )
    refused = event_answering(
        command, m.OrderCommandRefused(A, name, reference, "conflicting_duplicate"), before=(*BEFORE, first)
    )
    assert refused is not None
    assert refused.type == "OrderCommandRefused"


def test_a_lapsed_authorisation_that_is_asked_for_again_answers_the_retry() -> None:
    retry = m.RetryOrder(A, "operator")
    again = event_answering(retry, m.PaymentLapsed(A, "auth_1", "card_declined"))
    assert again is not None
    assert again.type in FAILURES


PARCEL = (
    *BEFORE,
    m.ShipmentRequested(A, "s-2", (2,), 600),
    m.ShipmentShipped(A, "s-2", (2,), "dhl", "2"),
)
OTHERS = [
    (m.ShipOrder(A, "s-2", (1,), "dhl", "2"), PARCEL),
    (m.ShipOrder(A, "s-2", (2,), "post", "2"), PARCEL),
    (m.ShipOrder(A, "s-2", (2,), "dhl", "3"), PARCEL),
    (m.RequestReturn(A, "r-1", (1,), "too small"), (m.ReturnRequested(A, "r-1", (2,), "too small", 9),)),
    (m.RequestReturn(A, "r-1", (2,), "too big"), (m.ReturnRequested(A, "r-1", (2,), "too small", 9),)),
    (m.RefundOrder(A, "x", 60, "goodwill"), (m.PaymentRefunded(A, "x", 50, "GBP"),)),
]


@pytest.mark.parametrize(("command", "before"), OTHERS)
def test_under_an_id_that_stands_for_something_else_only_the_refusal_is_the_outcome(
    command: OrderCommand, before: tuple[m.Message, ...]
) -> None:
    """The command line printed the first command's success, with exit status 0."""
    assert event_answering(command, before=before) is None
    reference = next(
        getattr(command, name) for name in ("shipment_id", "return_id", "refund_id") if hasattr(command, name)
    )
    refusal = m.OrderCommandRefused(A, type(command).__name__, reference, "conflicting_duplicate", "what differs")
    outcome = event_answering(command, refusal, before=before)
    assert outcome is not None
    assert outcome.data["detail"] == "what differs"


@pytest.mark.parametrize(
    ("command", "before"),
    [
        (m.ShipOrder(A, "s-2", (2,), "dhl", "2"), PARCEL),
        (m.RequestReturn(A, "r-1", (2, 1), "too small"), (m.ReturnRequested(A, "r-1", (1, 2), "too small", 9),)),
        (
            m.RefundOrder(A, "x", 60, "goodwill"),
            (m.PaymentRefunded(A, "x", 50, "GBP"), m.PaymentRefunded(A, "x", 10, "GBP")),
        ),
    ],
)
def test_the_same_command_under_its_id_has_had_its_effect(command: OrderCommand, before: tuple[m.Message, ...]) -> None:
    assert event_answering(command, before=before) is not None


REQUESTED = m.ReturnRequested(A, "r-1", (1, 2), "broken", 9)
FIRST = m.ReturnReceived(A, "r-1", (1,), "available")
SECOND = m.ReturnReceived(A, "r-1", (2,), "available")


@pytest.mark.parametrize(
    ("lines", "disposition", "before", "had_its_effect"),
    [
        ((1,), "available", (FIRST,), True),
        ((1,), "quarantine", (FIRST,), False),
        ((2,), "available", (FIRST,), False),
        ((), "available", (FIRST,), False),
        ((), "available", (FIRST, SECOND), True),
        ((), "quarantine", (FIRST, SECOND), False),
    ],
)
def test_lines_that_are_here_count_as_received_where_they_were_put(
    lines: tuple[int, ...],
    disposition: str,
    before: tuple[m.Message, ...],
    had_its_effect: bool,
) -> None:
    command = m.ReceiveReturn(A, "r-1", lines, disposition)
    assert (event_answering(command, before=(REQUESTED, *before)) is not None) == had_its_effect
    refusal = m.OrderCommandRefused(A, "ReceiveReturn", "r-1", "line_already_returned", "line 1 is here: available")
    outcome = event_answering(command, refusal, before=(REQUESTED, *before))
    assert outcome is not None
    assert outcome.type == "OrderCommandRefused"
