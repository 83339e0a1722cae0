"""Repeated, unknown and contradicting answers, and messages that cannot follow from the saga."""

from typing import Any

import pytest

from consumers.payments.decide import end_order, owe_nothing, void_rest
from consumers.payments.processor import OperationKind
from consumers.payments.state import operation_id
from consumers.payments.transitions import TRANSITIONS
from consumers.runtime.deciding.outcomes import ignore_duplicate, ignore_timer, refuse
from consumers.runtime.deciding.transitions import Decision
from schemas import messages as m
from tests.given_when_then import (
    A,
    B,
    OrderCancelled,
    OrderPlaced,
    OrderRejected,
    OrderReserved,
    RecordPaymentResult,
)
from tests.unit.payments import dsl
from tests.unit.payments.dsl import (
    AUTHORIZE,
    CAPTURE,
    INSPECT,
    REFUND,
    VOID,
    asked,
    given,
    result,
    story,
    then,
    then_refused,
    when,
)
from topology.states import PaymentState

HISTORIES: dict[PaymentState, tuple[Any, ...]] = {
    PaymentState.NONE: (),
    PaymentState.AUTHORIZING: dsl.AUTHORIZING,
    PaymentState.AUTHORIZED: dsl.AUTHORIZED,
    PaymentState.DECLINED: dsl.DECLINED,
    PaymentState.CAPTURING: dsl.CAPTURING,
    PaymentState.CAPTURED: dsl.CAPTURED,
    PaymentState.CAPTURE_FAILED: dsl.CAPTURE_FAILED,
    PaymentState.VOIDING: dsl.VOIDING,
    PaymentState.VOIDED: dsl.VOIDED,
    PaymentState.VOID_FAILED: dsl.VOID_FAILED,
    PaymentState.REQUIRES_ACTION: dsl.REQUIRES_ACTION,
    PaymentState.LAPSED: dsl.LAPSED,
    PaymentState.PARTIALLY_CAPTURED: dsl.PARTIALLY_CAPTURED,
    PaymentState.REFUNDING: dsl.REFUNDING,
    PaymentState.PARTIALLY_REFUNDED: dsl.PARTIALLY_REFUNDED,
    PaymentState.REFUND_FAILED: dsl.REFUND_FAILED,
    PaymentState.REFUNDED: dsl.REFUNDED,
    PaymentState.DISPUTED: dsl.DISPUTED,
    PaymentState.INSPECTING: dsl.INSPECTING,
}
MESSAGES: dict[type[m.Message], Any] = {
    type(message): message
    for message in (
        OrderReserved(),
        OrderPlaced(),
        OrderRejected(),
        OrderCancelled(),
        dsl.shipment("parcel-9", 100),
        dsl.OrderShipped(),
        dsl.refund("line:9", 100),
        dsl.goodwill("sorry", 100),
        dsl.RETRY,
        dsl.RESOLVE,
        result(AUTHORIZE),
        dsl.inspect(),
        dsl.inspection(),
        dsl.end_waits(dsl.LAPSES_MS - 1),
    )
}

P = PaymentState
YES, NO = "succeeded", "failed"
REPEATS: list[tuple[PaymentState, OperationKind, str]] = [
    (P.AUTHORIZED, AUTHORIZE, YES),
    (P.DECLINED, AUTHORIZE, "declined"),
    (P.CAPTURING, AUTHORIZE, YES),
    (P.CAPTURED, AUTHORIZE, YES),
    (P.CAPTURED, CAPTURE, YES),
    (P.CAPTURE_FAILED, AUTHORIZE, YES),
    (P.CAPTURE_FAILED, CAPTURE, NO),
    (P.VOIDING, AUTHORIZE, YES),
    (P.VOIDED, AUTHORIZE, YES),
    (P.VOIDED, VOID, YES),
    (P.VOID_FAILED, AUTHORIZE, YES),
    (P.VOID_FAILED, VOID, NO),
    (P.PARTIALLY_CAPTURED, CAPTURE, YES),
    (P.REFUNDING, CAPTURE, YES),
    (P.PARTIALLY_REFUNDED, REFUND, YES),
    (P.REFUNDED, REFUND, YES),
    (P.REFUND_FAILED, REFUND, NO),
    (P.REQUIRES_ACTION, AUTHORIZE, "requires_action"),
    (P.AUTHORIZED, AUTHORIZE, "requires_action"),
    (P.CAPTURED, AUTHORIZE, "requires_action"),
    (P.CAPTURED, AUTHORIZE, "lapsed"),
    (P.DECLINED, AUTHORIZE, "lapsed"),
]
CONTRADICTIONS: list[tuple[PaymentState, OperationKind, str]] = [
    (P.AUTHORIZED, AUTHORIZE, "declined"),
    (P.CAPTURED, AUTHORIZE, "declined"),
    (P.CAPTURED, CAPTURE, NO),
    (P.CAPTURE_FAILED, CAPTURE, YES),
    (P.VOIDED, VOID, NO),
    (P.VOID_FAILED, VOID, YES),
    (P.PARTIALLY_CAPTURED, CAPTURE, NO),
    (P.REFUND_FAILED, REFUND, YES),
    (P.LAPSED, AUTHORIZE, "declined"),
]
CONTRADICTIONS_UNDER_WAY: list[tuple[PaymentState, OperationKind, str]] = [
    (P.CAPTURING, AUTHORIZE, "declined"),
    (P.VOIDING, AUTHORIZE, "declined"),
]
NEVER_ASKED: list[tuple[PaymentState, OperationKind]] = [
    (P.AUTHORIZING, CAPTURE),
    (P.AUTHORIZING, VOID),
    (P.AUTHORIZED, CAPTURE),
    (P.AUTHORIZED, VOID),
    (P.DECLINED, CAPTURE),
    (P.CAPTURING, VOID),
    (P.CAPTURED, VOID),
    (P.CAPTURED, REFUND),
    (P.VOIDING, CAPTURE),
    (P.VOIDED, CAPTURE),
    (P.VOID_FAILED, CAPTURE),
]


def pairs(*decisions: Decision) -> list[Any]:
    """Return the (state, message) pairs that the table decides so."""
    return [
        pytest.param(state, MESSAGES[message], id=f"{state.value}-{message.__name__}")
        for state, row in TRANSITIONS.items()
        for message, transition in row.items()
        if transition.decide in decisions and not transition.leads_to
    ]


@pytest.mark.parametrize("state", list(PaymentState))
def test_the_stories_lead_to_the_states_that_they_stand_for(state: PaymentState) -> None:
    given(*HISTORIES[state])
    assert story.state.state is state


@pytest.mark.parametrize(("state", "message"), pairs(refuse))
def test_what_cannot_follow_from_the_saga_is_refused(state: PaymentState, message: Any) -> None:
    given(*HISTORIES[state])
    when(message)
    then_refused("unexpected")


@pytest.mark.parametrize(
    ("state", "message"),
    pairs(ignore_duplicate, ignore_timer, owe_nothing, end_order, void_rest),
)
def test_what_is_known_already_asks_nothing_of_the_processor(state: PaymentState, message: Any) -> None:
    given(*HISTORIES[state])
    when(message)
    then()


@pytest.mark.parametrize(("state", "kind", "answer"), REPEATS)
def test_a_repeated_answer_changes_nothing(state: PaymentState, kind: OperationKind, answer: str) -> None:
    given(*HISTORIES[state])
    when(result(kind, answer))
    then()
    given(*HISTORIES[state], result(kind, answer))
    assert story.state.state is state


@pytest.mark.parametrize(("state", "kind", "answer"), CONTRADICTIONS)
def test_an_answer_that_contradicts_what_is_known_has_the_processor_inspected(
    state: PaymentState, kind: OperationKind, answer: str
) -> None:
    given(*HISTORIES[state])
    when(result(kind, answer))
    then(asked(INSPECT, amount_minor=0, reference="auth_1"))


@pytest.mark.parametrize(("state", "kind", "answer"), CONTRADICTIONS_UNDER_WAY)
def test_the_inspection_waits_for_what_is_under_way(state: PaymentState, kind: OperationKind, answer: str) -> None:
    given(*HISTORIES[state], result(kind, answer), result(kind, answer))
    assert [queued.kind for queued in story.state.queue] == [INSPECT]


def test_a_declined_authorisation_that_is_held_after_all_comes_before_a_persons_eyes() -> None:
    given(*dsl.DECLINED)
    when(result(AUTHORIZE))
    then_refused("contradicts")


@pytest.mark.parametrize(("state", "kind"), NEVER_ASKED)
def test_an_answer_to_what_was_never_asked_comes_before_a_persons_eyes(
    state: PaymentState, kind: OperationKind
) -> None:
    given(*HISTORIES[state])
    when(result(kind))
    then_refused("unknown_operation")


@pytest.mark.parametrize(
    ("state", "kind"), [(P.CAPTURING, CAPTURE), (P.VOIDING, VOID), (P.REFUNDING, REFUND), (P.CAPTURED, CAPTURE)]
)
@pytest.mark.parametrize("answer", ["requires_action", "lapsed"])
def test_only_an_authorisation_has_to_be_confirmed_or_lapses(
    state: PaymentState, kind: OperationKind, answer: str
) -> None:
    given(*HISTORIES[state])
    when(result(kind, answer))
    then_refused("invalid_result")


def test_a_repeated_capture_failure_while_its_money_is_given_back_changes_nothing() -> None:
    given(*dsl.VOIDING_AFTER_CAPTURE)
    when(result(CAPTURE, "failed"))
    then()


ANSWERED_STATES = [state for state in PaymentState if TRANSITIONS[state][m.RecordPaymentResult].decide is not refuse]


@pytest.mark.parametrize("state", ANSWERED_STATES)
@pytest.mark.parametrize("answer", ["", "SUCCEEDED", "timeout", "unknown"])
def test_a_result_that_is_no_answer_is_refused(state: PaymentState, answer: str) -> None:
    given(*HISTORIES[state])
    when(result(AUTHORIZE, answer))
    then_refused("invalid_result")


@pytest.mark.parametrize("state", ANSWERED_STATES)
@pytest.mark.parametrize("operation", ["", "capture", f"{A}:refund:9", operation_id(B, AUTHORIZE)])
def test_an_answer_to_what_was_never_asked_for_this_order_is_refused(state: PaymentState, operation: str) -> None:
    given(*HISTORIES[state])
    when(RecordPaymentResult(operation_id=operation))
    then_refused("unknown_operation")


def test_an_end_that_was_read_before_the_answer_is_remembered_across_repetitions() -> None:
    given(*dsl.AUTHORIZING, OrderRejected(), OrderRejected(), OrderReserved(amount_minor=1))
    assert story.state.order_over
    assert story.state.amount_minor == 500


@pytest.mark.parametrize("back", [(), (result(VOID),), (result(VOID, "failed"),)], ids=["voiding", "voided", "failed"])
def test_an_echo_of_a_placed_order_that_was_cancelled_is_no_dead_letter(back: tuple[Any, ...]) -> None:
    given(*dsl.VOIDING_AFTER_CAPTURE, *back)
    when(OrderPlaced())
    then()
