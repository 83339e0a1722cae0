"""What is decided where nobody acts in time."""

from schemas import messages as m
from tests.given_when_then import (
    NOW_MS,
    A,
    LineReturned,
    OrderDelivered,
    ReceiveReturn,
    RefundRequested,
    ReturnApproved,
    ReturnLine,
    ReturnRefused,
    ShipmentDelivered,
)
from tests.unit.fulfilment.dsl import (
    COMING_BACK,
    DAY_MS,
    DELIVERED,
    MUG_BACK,
    MUG_LEFT,
    PAID,
    SHIPPED,
    confirm,
    end_waits,
    given,
    refusal,
    send_back,
    ship,
    then,
    waits,
    when,
)


def test_an_order_that_is_not_shipped_in_time_is_cancelled() -> None:
    over = NOW_MS + 30 * DAY_MS
    given(PAID)
    when(end_waits(over - 1), at_ms=over)
    then()
    when(end_waits(over + DAY_MS), at_ms=over - 1)
    then()
    when(end_waits(over), at_ms=over)
    then(m.FulfilmentCancelled(A, "not_shipped_in_time"))


def test_of_an_order_that_is_shipped_in_part_the_rest_is_given_back() -> None:
    over = NOW_MS + 30 * DAY_MS
    given(PAID, ship("S1", 1), MUG_LEFT, confirm("S1"))
    when(end_waits(over), at_ms=over)
    then(ReturnLine(line=2, sku="TEE", reason="not_shipped_in_time"))
    given(PAID, ship("S1", 1), MUG_LEFT, confirm("S1"), (over, end_waits(over)))
    assert waits() == ("inventory", None)
    when(ship("S2"))
    then(refusal("ShipOrder", "S2", "line_already_shipped"))
    when(LineReturned(line=2, sku="TEE", reason="not_shipped_in_time"))
    then(
        m.LineWithdrawn(A, 2, "TEE", "not_shipped_in_time"),
        RefundRequested(refund_id="line:2", amount_minor=1_900, reason="line_withdrawn"),
        m.OrderShipped(A),
        OrderDelivered(),
    )


def test_time_does_not_end_what_inventory_is_being_asked() -> None:
    over = NOW_MS + 30 * DAY_MS
    given(PAID, ship("S1", 1))
    when(end_waits(over), at_ms=over)
    then()


def test_a_parcel_of_which_nobody_speaks_is_presumed_to_arrive() -> None:
    over = NOW_MS + 21 * DAY_MS
    given(*SHIPPED)
    assert waits() == ("delivery", 21)
    when(end_waits(over), at_ms=over)
    then(ShipmentDelivered(shipment_id="S1", presumed=1), OrderDelivered())


def test_a_return_that_nobody_answers_is_approved() -> None:
    over = NOW_MS + 7 * DAY_MS
    given(*DELIVERED, send_back("R1"))
    when(end_waits(over), at_ms=over)
    then(ReturnApproved(return_id="R1", until_ms=over + 30 * DAY_MS))


def test_goods_that_do_not_come_in_time_are_not_taken_back() -> None:
    over = NOW_MS + 30 * DAY_MS
    for happened in (COMING_BACK, (*COMING_BACK, ReceiveReturn(return_id="R1", lines=(1,)), MUG_BACK)):
        given(*happened)
        assert waits() == ("return_arrival", 30)
        when(end_waits(over), at_ms=over)
        then(ReturnRefused(return_id="R1", reason="not_received_in_time"))
        given(*happened, (over, end_waits(over)))
        assert waits() == ("", None)
