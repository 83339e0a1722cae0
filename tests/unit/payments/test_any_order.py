"""Whatever is heard in whatever order: the ledger of money balances, and nothing is asked twice or beside another."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.errors import RefusedError
from consumers.payments.decide import is_at_shipping
from consumers.payments.evolve import evolve
from consumers.payments.internal_events import AttemptResolved, Outcome, StartOperation
from consumers.payments.processor import OperationKind
from consumers.payments.state import DONE, FAILED, PENDING, SUCCEEDED, Payment
from consumers.payments.transitions import decide as decide_now
from consumers.runtime.deciding.now import Now
from schemas import messages as m
from schemas.ids import CANCELLED, UNCOVERED
from tests.given_when_then import NOW_MS, A
from tests.samples import samples
from tests.unit.payments.exploring import explore
from tests.unit.payments.message_generator import message
from topology.states import SETTLED_PAYMENT_STATES, PaymentState

K = OperationKind
Decide = Callable[[Payment, m.Message, int], list[Outcome]]


def sums(payment: Payment) -> dict[OperationKind, int]:
    done: dict[OperationKind, int] = dict.fromkeys((K.AUTHORIZE, K.CAPTURE, K.VOID, K.REFUND), 0)
    for attempt in payment.attempts.values():
        if attempt.kind is not K.INSPECT:
            done[attempt.kind] += attempt.amount_minor if attempt.result in DONE else 0
    for money in payment.external.values():
        done[K.CAPTURE] += money.captured_minor
        done[K.VOID] += money.voided_minor
        done[K.REFUND] += money.refunded_minor
    return done


def ledger_balances(payment: Payment) -> None:
    figures = {
        K.AUTHORIZE: payment.authorized_minor,
        K.CAPTURE: payment.captured_minor,
        K.VOID: payment.voided_minor,
        K.REFUND: payment.refunded_minor,
    }
    assert sums(payment) == figures, "the figures are the sums of the attempts that are done, and of what others moved"
    assert all(minor >= 0 for minor in figures.values())
    assert payment.captured_minor + payment.voided_minor <= payment.authorized_minor
    assert payment.refunded_minor <= payment.captured_minor
    assert payment.refundable_minor >= 0 or payment.external, "no more is promised than was captured"


def one_at_a_time(payment: Payment) -> None:
    pending = [attempt.operation_id for attempt in payment.attempts.values() if attempt.result == PENDING]
    assert pending == ([payment.under_way] if payment.under_way else [])


def each_authorization_gives_back_what_was_captured_on_it(payment: Payment) -> None:
    left: defaultdict[str, int] = defaultdict(int)
    for attempt in payment.attempts.values():
        if attempt.kind is K.CAPTURE and attempt.result in DONE:
            left[attempt.authorization_id] += attempt.amount_minor
        elif (
            attempt.kind is K.REFUND
            and attempt.result in (SUCCEEDED, PENDING)
            and not (attempt.result == PENDING and payment.external)
        ):
            left[attempt.authorization_id] -= attempt.amount_minor
    for name, money in payment.external.items():
        left[name] += money.captured_minor - money.refunded_minor
    assert all(minor >= 0 for minor in left.values())


def nothing_is_left_at_rest(payment: Payment, incoming: Sequence[m.Message]) -> None:
    """`incoming` is what was not refused."""
    if payment.under_way or payment.state in (PaymentState.NONE, PaymentState.REQUIRES_ACTION):
        return
    is_over = any(isinstance(event, m.OrderRejected | m.OrderCancelled) for event in incoming)
    is_shipped = payment.at_shipping and any(
        isinstance(event, m.OrderShipped) for event in incoming[_placed(incoming) :]
    )
    if payment.state is not PaymentState.VOID_FAILED:
        refunds_wait = payment.disputed_minor > 0
        assert all(refunds_wait and queued.kind is K.REFUND for queued in payment.queue)
        pays_for_nothing = min(payment.excess_minor, payment.refundable_minor)
        assert refunds_wait or pays_for_nothing <= 0, "what pays for nothing goes back"
        assert not payment.resolving
        assert not ((is_over or is_shipped) and payment.held_minor), "what no capture will follow is given back"
    if is_over and payment.state is not PaymentState.VOID_FAILED and not payment.disputed_minor:
        assert payment.refundable_minor <= 0, "what an order without a sale had captured goes back"
    if payment.state in SETTLED_PAYMENT_STATES:
        assert not payment.held_minor
        assert payment.deadline_ms is None


def _placed(incoming: Sequence[m.Message]) -> int:
    placed = (
        place for place, event in enumerate(incoming) if isinstance(event, m.OrderPlaced) and is_at_shipping(event)
    )
    return next(placed, len(incoming))


def begins_one_at_a_time(before: Payment, outcomes: Sequence[Outcome]) -> None:
    begun = [outcome for outcome in outcomes if isinstance(outcome, StartOperation)]
    answered = {outcome.operation_id for outcome in outcomes if isinstance(outcome, AttemptResolved)}
    assert len(begun) <= 1
    assert not begun or not before.under_way or before.under_way in answered
    assert all(operation.operation_id not in before.attempts for operation in begun), "an id is given once"
    assert all(operation.amount_minor > 0 for operation in begun if operation.kind not in (K.VOID, K.INSPECT))


def record_published(before: Payment, outcomes: Sequence[Outcome], published: defaultdict[str, list[Any]]) -> None:
    for outcome in outcomes:
        published[type(outcome).__name__].append(outcome)
        if isinstance(outcome, AttemptResolved) and outcome.result == FAILED:
            attempt = before.attempts[outcome.operation_id]
            published["reversed"] += [attempt] if attempt.result == SUCCEEDED else []


def each_refund_is_paid_once(
    payment: Payment, incoming: Sequence[m.Message], published: defaultdict[str, list[Any]]
) -> None:
    """Hold what was said to have gone back against what was asked for, and against the attempts."""
    asked: dict[str, int] = {CANCELLED: payment.captured_minor, UNCOVERED: payment.captured_minor}
    for request in incoming:
        if isinstance(request, m.RefundRequested | m.RefundOrder):
            asked[request.refund_id] = max(asked.get(request.refund_id, 0), request.amount_minor)
    back: defaultdict[str, int] = defaultdict(int)
    for refund in published["PaymentRefunded"]:
        back[refund.refund_id] += refund.amount_minor
    for attempt in published["reversed"]:
        back[attempt.reference] -= attempt.amount_minor
    assert all(minor <= asked.get(refund_id, 0) for refund_id, minor in back.items())
    done = [
        attempt for attempt in payment.attempts.values() if attempt.kind is K.REFUND and attempt.result == SUCCEEDED
    ]
    assert sum(back.values()) == sum(attempt.amount_minor for attempt in done)


def each_shipment_is_captured_once(published: defaultdict[str, list[Any]]) -> None:
    captured = [capture.reference for capture in published["PaymentCaptured"]]
    assert len(captured) == len(set(captured))


def decide(payment: Payment, incoming: m.Message, at_ms: int) -> list[Outcome]:
    return decide_now(payment, incoming, Now(at_ms))


def walk(dice: Any, decide_: Decide = decide, steps: int = 40) -> None:
    """Take a payment through up to `steps` messages and check it after each."""
    payment, now_ms = Payment(A), NOW_MS
    incoming: list[m.Message] = []
    published: defaultdict[str, list[Any]] = defaultdict(list)
    for _ in range(dice.randint(1, steps)):
        received = message(payment, dice)
        now_ms += dice.choice((0, 1, 1_000_000))
        try:
            outcomes = decide_(payment, received, now_ms)
        except RefusedError:
            continue
        if payment.attempts:
            incoming.append(received)
        begins_one_at_a_time(payment, outcomes)
        record_published(payment, outcomes, published)
        evolve(payment, received, outcomes, Now(now_ms))
        ledger_balances(payment)
        one_at_a_time(payment)
        each_authorization_gives_back_what_was_captured_on_it(payment)
        nothing_is_left_at_rest(payment, incoming)
        each_refund_is_paid_once(payment, incoming, published)
        each_shipment_is_captured_once(published)


def walks(many: int, decide_: Decide) -> None:
    for seed in range(many):
        walk(random.Random(seed), decide_)


@settings(max_examples=samples(400), deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_books_balance_whatever_is_heard(dice: random.Random) -> None:
    walk(dice)


def test_the_books_balance_in_every_kind_of_situation() -> None:
    steps = 0
    for step in explore(tries=2):
        steps += 1
        if step.outcomes is not None:
            begins_one_at_a_time(step.before, step.outcomes)
            ledger_balances(step.after)
            one_at_a_time(step.after)
            each_authorization_gives_back_what_was_captured_on_it(step.after)
    assert steps > 10_000, "it got everywhere"


# --- planted faults: each must be found ---------------------------------------------------------------------------------


def lost_undo(payment: Payment, incoming: m.Message, at_ms: int) -> list[Outcome]:
    return [] if isinstance(incoming, m.OrderCancelled) else decide(payment, incoming, at_ms)


def captured_again(payment: Payment, incoming: m.Message, at_ms: int) -> list[Outcome]:
    if isinstance(incoming, m.ShipmentRequested):
        uncached = msgspec.structs.replace(payment, attempts={}, queue=())
        return decide(uncached, incoming, at_ms)
    return decide(payment, incoming, at_ms)


def booked_again(payment: Payment, incoming: m.Message, at_ms: int) -> list[Outcome]:
    known = payment.attempts.get(incoming.operation_id) if isinstance(incoming, m.RecordPaymentResult) else None
    if known is not None and known.result == SUCCEEDED:
        return [AttemptResolved(known.operation_id, SUCCEEDED)]
    return decide(payment, incoming, at_ms)


def wrong_refund_sum(payment: Payment, incoming: m.Message, at_ms: int) -> list[Outcome]:
    return [
        msgspec.structs.replace(outcome, amount_minor=outcome.amount_minor + 1)
        if isinstance(outcome, StartOperation) and outcome.kind is K.REFUND
        else outcome
        for outcome in decide(payment, incoming, at_ms)
    ]


def refunded_for_whoever_asks(payment: Payment, incoming: m.Message, at_ms: int) -> list[Outcome]:
    if isinstance(incoming, m.RefundRequested):
        incoming = m.RefundRequested(
            incoming.order_id, f"{incoming.refund_id} {at_ms}", incoming.amount_minor, incoming.reason
        )
    return decide(payment, incoming, at_ms)


def impatient(payment: Payment, incoming: m.Message, at_ms: int) -> list[Outcome]:
    if isinstance(incoming, m.RefundRequested):
        return decide(msgspec.structs.replace(payment, under_way=""), incoming, at_ms)
    return decide(payment, incoming, at_ms)


@pytest.mark.parametrize(
    "faulty", [lost_undo, captured_again, booked_again, wrong_refund_sum, refunded_for_whoever_asks, impatient]
)
def test_a_planted_fault_is_found(faulty: Decide) -> None:
    with pytest.raises(AssertionError):
        walks(1_000, faulty)
