"""Money that is disputed, or went back without us: nothing leaves, and for lines goes back what is left."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import messages as m
from tests.given_when_then import A, LineReturned, OrderCancelled, RefundRequested, ShipmentRequested
from tests.unit.fulfilment.dsl import (
    COMING_BACK,
    DELIVERED,
    MUG_LEFT,
    PAID,
    PLACED,
    captured,
    given,
    refusal,
    ship,
    state,
    story,
    then,
    when,
)

PRICE = 2_900


def changed(change: str, *, left: int = PRICE, disputed: int = 0, gone: int = 0) -> m.PaymentChangedExternally:
    return m.PaymentChangedExternally(A, "auth_1", change, 1, "EUR", left, disputed, gone)


DISPUTED = changed("disputed", left=0, disputed=PRICE)
WON = changed("dispute_won")
LOST = changed("dispute_lost", left=0, gone=PRICE)
REFUNDED = changed("refunded", left=0, gone=PRICE)
PARTLY_REFUNDED = changed("refunded", left=400, gone=2_500)
BOTH_LEAVE = (
    ShipmentRequested(shipment_id="S1", lines=(1, 2), amount_minor=PRICE),
    m.ShipLine(A, 1, "MUG"),
    m.ShipLine(A, 2, "TEE"),
)


def reduced(line: int, asked: int, left: int) -> m.RefundReduced:
    return m.RefundReduced(A, f"line:{line}", asked, left, "given_before")


def back(line: int, sku: str) -> Any:
    return LineReturned(line=line, sku=sku, quantity=1, reason="x")


# --- nothing leaves -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happened", "reason"),
    [
        ((DISPUTED,), "payment_disputed"),
        ((DISPUTED, LOST), "payment_gone"),
        ((REFUNDED,), "payment_gone"),
        ((changed("disputed", left=2_400, disputed=500),), "payment_disputed"),
    ],
)
def test_nothing_is_shipped_while_its_money_is_disputed_or_gone(happened: tuple[Any, ...], reason: str) -> None:
    given(PAID, *happened)
    when(ship("S1"))
    then(refusal("ShipOrder", "S1", reason))


@pytest.mark.parametrize(
    "happened",
    [
        (DISPUTED, WON),
        (REFUNDED, changed("refunded_reversed")),
        (PARTLY_REFUNDED,),
        (changed("voided", left=0),),
        (changed("captured"),),
    ],
)
def test_what_is_paid_again_or_in_part_is_shipped(happened: tuple[Any, ...]) -> None:
    given(PAID, *happened)
    when(ship("S1"))
    then(*BOTH_LEAVE)


@pytest.mark.parametrize(("happened", "reason"), [(DISPUTED, "payment_disputed"), (REFUNDED, "payment_gone")])
def test_what_happened_to_the_money_before_the_goods_are_known_is_not_forgotten(happened: Any, reason: str) -> None:
    given(happened, PAID)
    assert state() == "open"
    when(ship("S1"))
    then(refusal("ShipOrder", "S1", reason))


def test_a_parcel_that_is_captured_when_it_leaves_is_held_back_by_a_dispute_of_an_earlier_one_alone() -> None:
    given(PLACED, ship("S1", 1), captured("S1"), MUG_LEFT, changed("refunded", left=0, gone=1_000))
    when(ship("S2"))
    then(ShipmentRequested(shipment_id="S2", lines=(2,), amount_minor=1_900))
    given(PLACED, ship("S1", 1), captured("S1"), MUG_LEFT, changed("disputed", left=0, disputed=1_000))
    when(ship("S2"))
    then(refusal("ShipOrder", "S2", "payment_disputed"))


def test_a_parcel_that_was_asked_for_before_is_not_asked_for_again() -> None:
    given(PAID, ship("S1"), DISPUTED)
    when(ship("S1"))
    then()


def test_a_disputed_order_can_be_cancelled() -> None:
    given(PAID, DISPUTED)
    when(m.OrderCancelRequested(A, "customer", "changed_mind"))
    then(m.FulfilmentCancelled(A, "changed_mind", "customer"))
    given(PAID, OrderCancelled())
    when(DISPUTED)
    then()


# --- what goes back for lines -----------------------------------------------------------------------------------------------


def test_a_line_that_comes_back_is_refunded_what_was_paid_for_it() -> None:
    given(*COMING_BACK)
    when(back(1, "MUG"))
    then(RefundRequested(refund_id="line:1", amount_minor=1_000, reason="line_returned"))


def test_after_money_without_goods_a_line_is_refunded_what_is_left() -> None:
    given(*COMING_BACK, PARTLY_REFUNDED)
    when(back(1, "MUG"))
    then(reduced(1, 1_000, 400), RefundRequested(refund_id="line:1", amount_minor=400, reason="line_returned"))


def test_a_line_for_which_nothing_is_left_has_an_outcome_too() -> None:
    """Two lines, a refund of most by hand, then both come back: the second has nothing left."""
    given(*COMING_BACK, PARTLY_REFUNDED, back(1, "MUG"))
    when(back(2, "TEE"))
    then(reduced(2, 1_900, 0), m.OrderReturned(A))
    given(*COMING_BACK, PARTLY_REFUNDED, back(1, "MUG"), back(2, "TEE"))
    assert all(line.is_refunded for line in story.state.lines.values())


def test_what_is_disputed_is_not_gone_yet() -> None:
    given(*DELIVERED, DISPUTED)
    when(back(1, "MUG"))
    then(RefundRequested(refund_id="line:1", amount_minor=1_000, reason="line_returned"))
