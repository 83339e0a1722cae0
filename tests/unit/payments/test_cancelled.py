"""Whenever an order is cancelled: each effect on its money is taken back exactly once, as soon as it is known."""

from typing import Any

import pytest

from tests.given_when_then import (
    OrderCancelled,
    PaymentCaptured,
    PaymentCaptureFailed,
    PaymentLapsed,
    PaymentRefunded,
    PaymentVoided,
)
from tests.unit.payments import dsl
from tests.unit.payments.dsl import (
    CAPTURE,
    CAPTURED,
    CAPTURING,
    REFUND,
    VOID,
    asked,
    given,
    result,
    story,
    then,
    when,
)
from topology.states import PaymentState


def test_what_is_being_captured_is_not_undone_before_it_is_known() -> None:
    given(*CAPTURING)
    when(OrderCancelled())
    then()


def test_what_turns_out_captured_is_refunded() -> None:
    given(*CAPTURING, OrderCancelled())
    when(result(CAPTURE))
    then(PaymentCaptured(), asked(REFUND, reference="cancelled"))


def test_what_turns_out_not_captured_is_voided() -> None:
    given(*CAPTURING, OrderCancelled())
    when(result(CAPTURE, "failed", reason="try_later"))
    then(PaymentCaptureFailed(reason="try_later"), asked(VOID))


def test_the_refund_of_a_cancelled_order_is_published() -> None:
    given(*CAPTURED, OrderCancelled())
    when(result(REFUND))
    then(PaymentRefunded(refund_id="cancelled"))
    given(*CAPTURED, OrderCancelled(), result(REFUND))
    assert story.state.state is PaymentState.REFUNDED


def test_where_a_renewal_is_under_way_it_is_voided_when_known() -> None:
    renewing = (*dsl.AUTHORIZED, dsl.end_waits(dsl.LAPSES_MS))
    given(*renewing, OrderCancelled())
    when(result(dsl.AUTHORIZE, "declined", 2, reason="card_declined"))
    then(PaymentLapsed(reason="card_declined"))
    given(*renewing, OrderCancelled(), result(dsl.AUTHORIZE, number=2, authorization_id="auth_2"))
    when(result(VOID, number=2))
    then(PaymentVoided(authorization_id="auth_2"))


STORIES = {name.lower(): getattr(dsl, name) for name in dir(dsl) if isinstance(getattr(dsl, name), tuple)}


@pytest.mark.parametrize("before", STORIES.values(), ids=STORIES)
def test_a_second_end_takes_nothing_back_again(before: tuple[Any, ...]) -> None:
    given(*before, OrderCancelled())
    when(OrderCancelled())
    then()
