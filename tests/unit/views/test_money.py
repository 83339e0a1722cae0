"""The view of an order's money against the books of payments: the same sums from events alone, whatever happens."""

from __future__ import annotations

import random
from typing import Any

import pytest

from consumers.errors import RefusedError
from consumers.payments.evolve import evolve
from consumers.payments.state import Payment
from consumers.payments.transitions import decide
from consumers.runtime.deciding.now import Now
from consumers.views.money import MoneyFold, MoneyView
from schemas import messages as m
from tests.given_when_then import NOW_MS, A
from tests.samples import samples
from tests.unit.payments.message_generator import message
from topology.states import PaymentState
from topology.topics import ORDER_EVENTS


def data_of(event: m.Message) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


class Walk:
    """A payment and the view of its events, through random messages."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self.payment, self.fold, self.state = Payment(A), MoneyFold(MoneyView()), PaymentState.NONE
        self.is_plain = True
        now_ms = NOW_MS
        for _ in range(dice.randint(1, 40)):
            incoming = message(self.payment, dice)
            now_ms += dice.choice((0, 1, 1_000_000))
            try:
                outcomes = decide(self.payment, incoming, Now(now_ms))
            except RefusedError:
                continue
            self.is_plain &= not isinstance(incoming, m.RetryOrder) and "_reversed" not in repr(outcomes)
            evolve(self.payment, incoming, outcomes, Now(now_ms))
            for event in (incoming, *outcomes):
                if isinstance(event, ORDER_EVENTS.carries) and not isinstance(event, m.OrderPlaced | m.OrderReserved):
                    self.state = self.fold.after(self.state, type(event).__name__, data_of(event))

    def sums(self) -> tuple[int, ...]:
        payment = self.payment
        return payment.captured_minor, payment.refunded_minor, payment.disputed_minor, payment.lost_minor

    def seen(self) -> tuple[int, ...]:
        money = self.fold.money
        return money.captured_minor, money.refunded_minor, money.disputed_minor, money.lost_minor


def test_the_view_has_the_sums_that_payments_has() -> None:
    for seed in range(samples(3_000)):
        walk = Walk(seed)
        assert walk.seen() == walk.sums(), seed


def test_the_view_shows_where_the_money_stands() -> None:
    settled = {PaymentState.REFUNDED, PaymentState.PARTIALLY_REFUNDED, PaymentState.DISPUTED}
    for seed in range(samples(3_000)):
        walk = Walk(seed)
        if walk.payment.state in settled and walk.is_plain:  # what is tried again stands in no event yet
            assert walk.state is walk.payment.state, seed


@pytest.mark.parametrize("forgotten", ["PaymentChangedExternally", "PaymentRefunded"])
def test_a_view_that_leaves_an_event_out_is_found(forgotten: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""
    add = MoneyFold._add
    monkeypatch.setattr(
        MoneyFold, "_add", lambda self, event, data: None if event == forgotten else add(self, event, data)
    )
    with pytest.raises(AssertionError):
        test_the_view_has_the_sums_that_payments_has()


def test_what_was_settled_by_hand_is_refunded() -> None:
    fold = MoneyFold(MoneyView())
    state = PaymentState.NONE
    for event in (
        m.PaymentAuthorized(A, "auth_1", 1000, "EUR"),
        m.PaymentCaptured(A, "auth_1", 1000, "EUR"),
        m.PaymentRefundFailed(A, "cancelled", 1000, "account_closed"),
        m.PaymentResolved(A, f"{A}:refund", 1000, "bank transfer", "cancelled", "EUR"),
    ):
        state = fold.after(state, type(event).__name__, data_of(event))
    assert (state, fold.money.refunded_minor) == (PaymentState.REFUNDED, 1000)
