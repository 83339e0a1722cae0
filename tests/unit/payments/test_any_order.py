"""Whatever is heard in whatever order: the ledger of money balances, and nothing is asked twice or beside another."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.errors import RefusedError
from consumers.payments.decide import decide
from consumers.payments.evolve import Answered, Outcome, StartOperation, evolve
from consumers.payments.payment import CANCELLED, DONE, PENDING, SUCCEEDED, Payment
from consumers.payments.processor import OperationKind
from schemas import messages as m
from tests.given_when_then import NOW_MS, A
from tests.unit.payments.likely import message
from topology.states import SETTLED_PAYMENT_STATES, PaymentState

K = OperationKind
Decide = Callable[[Payment, m.Message, int], list[Outcome]]


def sums(payment: Payment) -> dict[OperationKind, int]:
    done: dict[OperationKind, int] = dict.fromkeys(K, 0)
    for attempt in payment.attempts.values():
        done[attempt.kind] += attempt.amount_minor if attempt.result in DONE else 0
    return done


def ledger_balances(payment: Payment) -> None:
    figures = {
        K.AUTHORIZE: payment.authorized_minor,
        K.CAPTURE: payment.captured_minor,
        K.VOID: payment.voided_minor,
        K.REFUND: payment.refunded_minor,
    }
    assert sums(payment) == figures, "the figures are the sums of the attempts that are done"
    assert all(minor >= 0 for minor in figures.values())
    assert payment.captured_minor + payment.voided_minor <= payment.authorized_minor
    assert payment.refunded_minor <= payment.captured_minor
    assert payment.refundable_minor >= 0, "no more is promised than was captured"


def one_at_a_time(payment: Payment) -> None:
    pending = [it.operation_id for it in payment.attempts.values() if it.result == PENDING]
    assert pending == ([payment.under_way] if payment.under_way else [])


def each_authorization_gives_back_what_was_captured_on_it(payment: Payment) -> None:
    left: defaultdict[str, int] = defaultdict(int)
    for it in payment.attempts.values():
        if it.kind is K.CAPTURE and it.result in DONE:
            left[it.authorization_id] += it.amount_minor
        elif it.kind is K.REFUND and it.result in (SUCCEEDED, PENDING):
            left[it.authorization_id] -= it.amount_minor
    assert all(minor >= 0 for minor in left.values())


def nothing_is_left_at_rest(payment: Payment) -> None:
    if payment.under_way or payment.state in (PaymentState.NONE, PaymentState.REQUIRES_ACTION):
        return
    if payment.state is not PaymentState.VOID_FAILED:
        assert not payment.due
        assert not (payment.is_closed and payment.held_minor), "what no capture will follow is given back"
    if payment.order_over and payment.state is not PaymentState.VOID_FAILED:
        assert not payment.refundable_minor, "what an order without a sale had captured goes back"
    if payment.state in SETTLED_PAYMENT_STATES:
        assert not payment.held_minor
        assert payment.deadline_ms is None


def told(outcomes: Sequence[Outcome], said: defaultdict[str, list[Any]]) -> None:
    for outcome in outcomes:
        said[type(outcome).__name__].append(outcome)


def each_refund_is_paid_once(payment: Payment, said: defaultdict[str, list[Any]]) -> None:
    refunded = [it.refund_id for it in said["PaymentRefunded"]]
    assert len(refunded) == len(set(refunded))
    back: defaultdict[str, int] = defaultdict(int)
    for it in payment.attempts.values():
        if it.kind is K.REFUND and it.result == SUCCEEDED:
            back[it.reference] += it.amount_minor
    for it in said["PaymentRefunded"]:
        assert back[it.refund_id] == it.amount_minor


def each_shipment_is_captured_once(said: defaultdict[str, list[Any]]) -> None:
    captured = [it.reference for it in said["PaymentCaptured"]]
    assert len(captured) == len(set(captured))


def walk(dice: Any, decide_: Decide = decide, steps: int = 40) -> None:
    """Take a payment through up to `steps` messages and check it after each."""
    payment, now_ms = Payment(A), NOW_MS
    said: defaultdict[str, list[Any]] = defaultdict(list)
    for _ in range(dice.randint(1, steps)):
        heard = message(payment, dice)
        now_ms += dice.choice((0, 1, 1_000_000))
        try:
            outcomes = decide_(payment, heard, now_ms)
        except RefusedError:
            continue
        begun = [it for it in outcomes if isinstance(it, StartOperation)]
        answered = {it.operation_id for it in outcomes if isinstance(it, Answered)}
        assert len(begun) <= 1
        assert not begun or not payment.under_way or payment.under_way in answered
        assert all(it.operation_id not in payment.attempts for it in begun), "an id is given once"
        assert all(it.amount_minor > 0 for it in begun if it.kind is not K.VOID)
        if any(not isinstance(it, m.Message) for it in outcomes):
            evolve(payment, heard, outcomes, now_ms)
        told(outcomes, said)
        ledger_balances(payment)
        one_at_a_time(payment)
        each_authorization_gives_back_what_was_captured_on_it(payment)
        nothing_is_left_at_rest(payment)
        each_refund_is_paid_once(payment, said)
        each_shipment_is_captured_once(said)
        assert len([it for it in said["PaymentRefunded"] if it.refund_id == CANCELLED]) <= 1


@settings(max_examples=400, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_books_balance_whatever_is_heard(dice: random.Random) -> None:
    walk(dice)


def test_the_books_balance_over_many_walks() -> None:
    for seed in range(2_000):
        walk(random.Random(seed))
