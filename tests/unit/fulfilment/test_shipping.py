from schemas import messages as m
from tests.given_when_then import (
    FulfilmentCancelled,
    LineCommandRefused,
    LineReturned,
    LineShipped,
    LineWithdrawn,
    OrderCancelled,
    OrderCancelRequested,
    OrderCommandUnmatched,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    PaymentAuthorized,
    PaymentCaptured,
    RefundRequested,
    ReturnLine,
    ShipmentRequested,
    ShipOrder,
)
from tests.unit.fulfilment.dsl import (
    ALL_IN_ONE_PARCEL,
    MUG_LEFT,
    PAID,
    PLACED,
    SHIP_MUG,
    SHIP_TEE,
    SHIPPED,
    TEE_LEFT,
    captured,
    given,
    refusal,
    ship,
    shipped,
    state,
    then,
    waits,
    when,
)


def test_a_paid_order_waits_for_its_shipment() -> None:
    given(PAID)
    assert state() == "open"
    assert waits() == ("shipment", 30)


def test_a_placed_order_waits_for_its_money_unless_it_is_captured_at_shipping() -> None:
    given(OrderPlaced())
    assert state() == "none"
    given(PLACED)
    assert state() == "open"


def test_an_order_that_was_paid_before_there_was_fulfilment_has_nothing_to_ship_here() -> None:
    given(OrderPaid())
    when(ship("S1"))
    then(OrderCommandUnmatched(command="ShipOrder", reference="S1"))


def test_what_was_never_paid_leaves_no_trace() -> None:
    for fact in (LineReturned(), LineShipped(), PaymentCaptured(), PaymentAuthorized(), OrderCancelled()):
        given(fact)
        assert state() == "none"
        when(fact)
        then()


def test_a_parcel_with_no_lines_named_takes_all() -> None:
    given(PAID)
    when(ship("S1"))
    then(ALL_IN_ONE_PARCEL, SHIP_MUG, SHIP_TEE)


def test_a_parcel_has_left_when_each_of_its_lines_has() -> None:
    given(PAID, ship("S1"), MUG_LEFT)
    assert state() == "open"
    assert waits() == ("inventory", None)
    when(TEE_LEFT)
    then(shipped("S1", 1, 2), OrderShipped())


def test_two_parcels_make_one_order() -> None:
    given(PAID, ship("S1", 1), MUG_LEFT)
    assert state() == "partly_shipped"
    when(ship("S2"))
    then(ShipmentRequested(shipment_id="S2", lines=(2,), amount_minor=1_900), SHIP_TEE)
    given(PAID, ship("S1", 1), MUG_LEFT, ship("S2"))
    when(TEE_LEFT)
    then(shipped("S2", 2), OrderShipped())


def test_a_shipment_that_is_reported_twice_happens_once() -> None:
    for happened in ((PAID, ship("S1")), SHIPPED):
        given(*happened)
        when(ship("S1"))
        then()


def test_another_shipment_under_the_same_id_is_refused_with_what_differs() -> None:
    given(PAID, ship("S1", 1))
    when(ship("S1", 1, 2))
    then(refusal("ShipOrder", "S1", "conflicting_duplicate", "lines [1] was sent first, [1, 2] now"))
    when(ShipOrder(shipment_id="S1", lines=(1,), carrier="dhl", tracking="T2"))
    detail = "carrier 'post' was sent first, 'dhl' now; tracking 'T1' was sent first, 'T2' now"
    then(refusal("ShipOrder", "S1", "conflicting_duplicate", detail))


def test_the_order_in_which_lines_are_named_is_no_other_content() -> None:
    given(PAID, ship("S1", 1, 2))
    when(ship("S1", 2, 1))
    then()


def test_a_line_leaves_once() -> None:
    given(PAID, ship("S1", 1))
    when(ship("S2", 1))
    then(refusal("ShipOrder", "S2", "line_already_shipped"))
    given(*SHIPPED)
    when(ship("S2"))
    then(refusal("ShipOrder", "S2", "line_already_shipped"))
    when(ship("S2", 3))
    then(refusal("ShipOrder", "S2", "unknown_line"))


def test_a_line_that_inventory_does_not_have_is_withdrawn_and_refunded() -> None:
    given(PAID, ship("S1"), MUG_LEFT)
    when(LineCommandRefused(line=2, sku="TEE", command="ShipLine", reason="not_committed"))
    then(
        LineWithdrawn(line=2, sku="TEE", reason="not_committed"),
        RefundRequested(refund_id="line:2", amount_minor=1_900, reason="line_withdrawn"),
        shipped("S1", 1),
        OrderShipped(),
    )


def test_a_line_that_is_taken_away_is_refunded_whether_it_was_in_a_parcel_or_not() -> None:
    gone = LineReturned(line=2, sku="TEE", reason="stolen")
    for happened in ((PAID,), (PAID, ship("S1"))):
        given(*happened)
        when(gone)
        then(
            LineWithdrawn(line=2, sku="TEE", reason="stolen"),
            RefundRequested(refund_id="line:2", amount_minor=1_900, reason="line_withdrawn"),
        )
        given(*happened, gone)
        when(gone)
        then()


def test_an_order_of_which_nothing_is_left_is_cancelled() -> None:
    given(PAID, LineReturned(line=1, sku="MUG"))
    when(LineReturned(line=2, sku="TEE", reason="stolen"))
    then(
        LineWithdrawn(line=2, sku="TEE", reason="stolen"),
        RefundRequested(refund_id="line:2", amount_minor=1_900, reason="line_withdrawn"),
        FulfilmentCancelled(reason="nothing_left_to_ship", requested_by=""),
    )


def test_a_refusal_of_somebody_elses_command_means_nothing() -> None:
    given(PAID)
    when(LineCommandRefused(line=1, sku="MUG", command="ShipLine"))
    then()
    when(LineCommandRefused(line=1, sku="MUG", command="ReleaseLine"))
    then()


def test_goods_that_left_unannounced_are_a_parcel_of_their_own() -> None:
    given(PAID)
    when(MUG_LEFT)
    then(
        ShipmentRequested(shipment_id="line:1", lines=(1,), amount_minor=1_000),
        m.ShipmentShipped(PAID.order_id, "line:1", (1,), "", ""),
    )


def test_a_line_that_a_stranger_sent_out_before_the_order_was_paid_counts_as_sent_once_it_is_asked_for() -> None:
    given(PAID, ship("S1"), TEE_LEFT)
    when(LineCommandRefused(line=1, sku="MUG", command="ShipLine", reason="already_shipped"))
    then(shipped("S1", 1, 2), OrderShipped())


def test_a_parcel_that_was_lost_before_its_money_was_known_to_be_captured_is_paid_back() -> None:
    given(PLACED, ship("S1"), MUG_LEFT, TEE_LEFT, m.ReportLostParcel(PLACED.order_id, "S1", "lost"))
    when(captured("S1", 2_900))
    then(
        RefundRequested(refund_id="line:1", amount_minor=1_000, reason="parcel_lost"),
        RefundRequested(refund_id="line:2", amount_minor=1_900, reason="parcel_lost"),
    )


def test_a_withdrawn_line_that_left_all_the_same_goes_back_into_the_books() -> None:
    given(PAID, LineReturned(line=1, sku="MUG"))
    when(MUG_LEFT)
    then(ReturnLine(line=1, sku="MUG", reason="line_withdrawn"))


# --- between shipping and cancelling --------------------------------------------------------------------------------------


def test_an_order_of_which_nothing_left_can_be_cancelled() -> None:
    given(PAID)
    when(OrderCancelRequested(reason="changed my mind"))
    then(FulfilmentCancelled(reason="changed my mind", requested_by="customer"))


def test_what_comes_first_wins_shipping_or_cancelling() -> None:
    given(PAID, OrderCancelRequested())
    when(ship("S1"))
    then(refusal("ShipOrder", "S1", "order_cancelled"))
    given(PAID, ship("S1", 1))
    when(OrderCancelRequested())
    then(refusal("CancelOrder", "", "shipment_under_way"))


def test_goods_that_left_cannot_be_cancelled() -> None:
    for happened in ((PAID, ship("S1", 1), MUG_LEFT), SHIPPED):
        given(*happened)
        when(OrderCancelRequested())
        then(refusal("CancelOrder", "", "already_shipped"))


def test_a_cancelled_order_leaves_lines_and_money_to_the_others() -> None:
    given(PAID, OrderCancelRequested())
    for fact in (LineReturned(line=1, sku="MUG"), MUG_LEFT, captured("S1"), OrderCancelled(), OrderCancelRequested()):
        when(fact)
        then()
    assert waits() == ("", None)
