"""The processor is read, never believed from elsewhere: what makes payments read it, and what a reading changes."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import messages as m
from tests.given_when_then import (
    A,
    PaymentAuthorized,
    PaymentRefunded,
)
from tests.unit.payments.dsl import (
    AT_SHIPPING,
    AUTHORIZE,
    AUTHORIZING,
    CAPTURE,
    CAPTURE_FAILED,
    CAPTURED,
    INSPECT,
    INSPECTING,
    REFUND,
    REFUND_FAILED,
    VOID,
    VOID_FAILED,
    OrderShipped,
    asked,
    changed,
    given,
    inspect,
    inspection,
    result,
    stands,
    then,
    then_refused,
    when,
)
from topology.states import PaymentState

REFUNDED_OUTSIDE = (*INSPECTING, inspection(refunded_minor=500))


# --- the processor is read --------------------------------------------------------------------------------------------


def test_what_may_have_happened_at_the_processor_is_read_there() -> None:
    given(*CAPTURED)
    when(inspect())
    then(asked(INSPECT, amount_minor=0, reference="auth_1"))


def test_an_authorisation_that_is_not_the_orders_is_not_read() -> None:
    given(*CAPTURED)
    for name in ("auth_2", ""):
        when(inspect(name))
        then_refused("unknown_authorization")


def test_an_inspection_waits_until_the_answer_that_is_awaited() -> None:
    given(*AUTHORIZING)
    when(inspect())
    then()
    given(*AUTHORIZING, inspect(), inspect())
    when(result(AUTHORIZE))
    then(PaymentAuthorized(), asked(INSPECT, amount_minor=0, reference="auth_1"))


def test_a_reading_that_shows_what_is_booked_changes_nothing() -> None:
    given(*INSPECTING)
    when(inspection())
    then()
    assert stands(*INSPECTING, inspection()) is PaymentState.CAPTURED


def test_a_reading_twice_or_of_something_else_changes_nothing() -> None:
    given(*REFUNDED_OUTSIDE)
    when(inspection(refunded_minor=500))
    then()
    given(*INSPECTING)
    when(inspection(authorization_id="auth_2", refunded_minor=500))
    then()
    when(inspection(CAPTURE, refunded_minor=500))
    then()


@pytest.mark.parametrize(
    "figures",
    [
        {"refunded_minor": 501},
        {"captured_minor": 501},
        {"voided_minor": 1},
        {"disputed_minor": -1},
        {"lost_minor": -1},
        {"currency": "USD"},
    ],
)
def test_figures_that_no_processor_can_have_come_before_a_persons_eyes(figures: dict[str, Any]) -> None:
    given(*INSPECTING)
    when(inspection(**figures))
    then_refused("invalid_inspection")


def test_an_order_is_not_inspected_for_ever() -> None:
    given(*CAPTURED, *[message for number in range(1, 1001) for message in (inspect(), inspection(number=number))])
    when(inspect())
    then_refused("too_many_inspections")


# --- answers that contradict, and what nobody asked for ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("happened", "answer"),
    [
        (CAPTURE_FAILED, result(CAPTURE)),
        (VOID_FAILED, result(VOID)),
        (REFUND_FAILED, result(REFUND)),
        (CAPTURED, result(CAPTURE, "failed")),
    ],
)
def test_an_answer_that_contradicts_has_the_processor_read(happened: tuple[Any, ...], answer: Any) -> None:
    given(*happened)
    when(answer)
    then(asked(INSPECT, amount_minor=0, reference="auth_1"))


def test_a_capture_that_was_ours_after_all_counts_once() -> None:
    late = (*CAPTURE_FAILED, result(CAPTURE))
    given(*late)
    when(inspection())
    then(changed("captured", 500, left=500))


def test_nothing_of_what_others_send_is_believed() -> None:
    """A command names what to read; only the processor's own figures, in answer to our inspection, move anything."""
    given(*CAPTURED)
    when(m.RecordPaymentInspection(A, f"{A}:inspect", "auth_1", "EUR", 500, 500, 0, 500, 0, 0))
    then_refused("unknown_operation")
    given(*INSPECTING, inspection())
    when(inspection(refunded_minor=500))
    then()


def test_what_goes_back_after_all_is_published_as_any_refund() -> None:
    given(*AT_SHIPPING, inspect(), inspection(), OrderShipped())
    when(result(REFUND))
    then(PaymentRefunded(refund_id="uncovered", amount_minor=500))
