"""Goods whose money is captured when they leave."""

from consumers.fulfilment.state import LineState
from schemas import messages as m
from schemas.limits import MAX_FAILED_SHIPMENTS
from tests.given_when_then import (
    LineReturned,
    LineWithdrawn,
    OrderPaid,
    OrderPlaced,
    PaymentAuthorized,
    PaymentCaptureFailed,
    PaymentLapsed,
    RefundRequested,
    ShipmentRequested,
)
from tests.unit.fulfilment.dsl import (
    ALL_IN_ONE_PARCEL,
    MUG,
    PAID,
    PLACED,
    SHIP_MUG,
    SHIP_TEE,
    captured,
    given,
    lines,
    refusal,
    ship,
    then,
    waits,
    when,
)


def test_goods_whose_money_is_captured_at_shipping_leave_after_it() -> None:
    given(PLACED)
    when(ship("S1", 1))
    then(ShipmentRequested(shipment_id="S1", lines=(1,), amount_minor=1_000))
    given(PLACED, ship("S1", 1))
    assert waits() == ("capture", None)
    when(captured("S1"))
    then(SHIP_MUG)
    given(PLACED, ship("S1", 1), captured("S1"))
    when(captured("S1"))
    then()


def test_goods_that_cost_nothing_wait_for_no_money() -> None:
    given(OrderPlaced(terms=PLACED.terms, lines=(m.OrderedLine(1, "MUG", 1, 0),)))
    when(ship("S1"))
    then(ShipmentRequested(shipment_id="S1", lines=(1,), amount_minor=0), SHIP_MUG)
    given(OrderPlaced(terms=PLACED.terms, lines=(m.OrderedLine(1, "MUG", 1, 0),)), ship("S1"))
    when(PaymentCaptureFailed(reference="S1"))
    then()


def test_lines_whose_money_could_not_be_had_stay_for_another_parcel() -> None:
    failed = PaymentCaptureFailed(reference="S1")
    given(PLACED, ship("S1", 1))
    when(failed)
    then(refusal("ShipOrder", "S1", "payment_failed"))
    given(PLACED, ship("S1", 1), failed)
    assert lines()[1] is LineState.OPEN
    when(failed)
    then()
    when(ship("S1", 1))
    then(refusal("ShipOrder", "S1", "payment_failed"))
    when(ship("S2", 1))
    then(ShipmentRequested(shipment_id="S2", lines=(1,), amount_minor=1_000))


def test_an_endless_row_of_failures_ends() -> None:
    tries = (
        each
        for n in range(MAX_FAILED_SHIPMENTS)
        for each in (ship(f"S{n}", 1), PaymentCaptureFailed(reference=f"S{n}"))
    )
    given(PLACED, *tries)
    when(ship("once more", 1))
    then(refusal("ShipOrder", "once more", "too_many_failures"))


def test_money_for_a_line_that_is_gone_meanwhile_goes_back() -> None:
    gone = LineReturned(line=1, sku="MUG", reason="stolen")
    given(PLACED, ship("S1"))
    when(gone)
    then(LineWithdrawn(line=1, sku="MUG", reason="stolen"))
    given(PLACED, ship("S1"), gone)
    when(captured("S1", 2_900))
    then(SHIP_TEE, RefundRequested(refund_id="line:1", amount_minor=1_000, reason="line_withdrawn"))


def test_a_lapsed_authorisation_blocks_shipping_until_there_is_another() -> None:
    given(PLACED, PaymentLapsed())
    when(ship("S1"))
    then(refusal("ShipOrder", "S1", "authorization_lapsed"))
    given(PLACED, PaymentLapsed(), PaymentAuthorized())
    when(ship("S1"))
    then(ALL_IN_ONE_PARCEL)


def test_what_is_captured_already_cannot_lapse() -> None:
    given(PAID, PaymentLapsed())
    when(ship("S1", 1))
    then(ShipmentRequested(shipment_id="S1", lines=(1,), amount_minor=1_000), SHIP_MUG)


def test_the_second_of_two_facts_that_begin_it_is_an_echo() -> None:
    given(PAID, ship("S1", 1))
    when(OrderPaid(lines=(MUG,)))
    then()
    assert lines() == {1: LineState.LEAVING, 2: LineState.OPEN}
