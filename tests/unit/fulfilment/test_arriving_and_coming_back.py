from schemas.limits import MAX_RETURNS
from tests.given_when_then import (
    NOW_MS,
    ApproveReturn,
    LineCommandRefused,
    LineReturned,
    OrderDelivered,
    OrderReturned,
    ReceiveReturn,
    RefundRequested,
    RefuseReturn,
    ReportLostParcel,
    ReturnApproved,
    ReturnLine,
    ReturnReceived,
    ReturnRefused,
    ReturnRequested,
    ShipmentDelivered,
    ShipmentLost,
)
from tests.unit.fulfilment.dsl import (
    COMING_BACK,
    DAY_MS,
    DELIVERED,
    MUG_BACK,
    MUG_LEFT,
    PAID,
    SHIPPED,
    TEE_LEFT,
    confirm,
    end_waits,
    given,
    refusal,
    send_back,
    ship,
    state,
    then,
    waits,
    when,
)

LOST = ReportLostParcel(shipment_id="S1", reason="burnt")
TEE_BACK = LineReturned(line=2, sku="TEE", reason="returned")
MUG_REFUND = RefundRequested(refund_id="line:1", amount_minor=1_000, reason="line_returned")
TEE_REFUND = RefundRequested(refund_id="line:2", amount_minor=1_900, reason="line_returned")
APPROVED = ReturnApproved(return_id="R1", until_ms=NOW_MS + 30 * DAY_MS)
TWO_PARCELS = (PAID, ship("S1", 1), MUG_LEFT, ship("S2", 2), TEE_LEFT)
PRESUMED = (*SHIPPED, (NOW_MS + 21 * DAY_MS, end_waits(NOW_MS + 21 * DAY_MS)))


# --- arriving -------------------------------------------------------------------------------------------------------------


def test_an_order_is_delivered_with_its_last_parcel() -> None:
    given(*TWO_PARCELS)
    when(confirm("S1"))
    then(ShipmentDelivered(shipment_id="S1"))
    given(*TWO_PARCELS, confirm("S1"))
    when(confirm("S2"))
    then(ShipmentDelivered(shipment_id="S2"), OrderDelivered())


def test_a_delivery_that_is_reported_twice_happens_once() -> None:
    given(*DELIVERED)
    when(confirm("S1"))
    then()


def test_what_was_not_shipped_cannot_arrive() -> None:
    given(PAID, ship("S1"))
    when(confirm("S1"))
    then(refusal("ConfirmDelivery", "S1", "not_shipped"))
    when(confirm("S2"))
    then(refusal("ConfirmDelivery", "S2", "unknown_shipment"))
    when(LOST)
    then(refusal("ReportLostParcel", "S1", "not_shipped"))


def test_what_was_paid_for_a_lost_parcel_goes_back() -> None:
    given(*TWO_PARCELS, confirm("S2"))
    when(LOST)
    then(
        ShipmentLost(shipment_id="S1", lines=(1,), reason="burnt"),
        RefundRequested(refund_id="line:1", amount_minor=1_000, reason="parcel_lost"),
        OrderDelivered(),
    )
    given(*TWO_PARCELS, confirm("S2"), LOST)
    when(LOST)
    then()
    when(confirm("S1"))
    then(refusal("ConfirmDelivery", "S1", "parcel_lost"))


def test_an_order_of_which_all_is_lost_is_over() -> None:
    given(*SHIPPED)
    when(LOST)
    then(
        ShipmentLost(shipment_id="S1", lines=(1, 2), reason="burnt"),
        RefundRequested(refund_id="line:1", amount_minor=1_000, reason="parcel_lost"),
        RefundRequested(refund_id="line:2", amount_minor=1_900, reason="parcel_lost"),
        OrderReturned(),
    )


def test_a_lost_line_that_turns_up_is_not_refunded_again() -> None:
    given(*SHIPPED, LOST)
    when(MUG_BACK)
    then()


def test_a_parcel_that_somebody_saw_arrive_cannot_be_lost() -> None:
    given(*DELIVERED)
    when(LOST)
    then(refusal("ReportLostParcel", "S1", "already_delivered"))


def test_a_parcel_that_was_only_presumed_to_arrive_can_be_lost() -> None:
    given(*PRESUMED)
    assert state() == "delivered"
    when(LOST)
    then(
        ShipmentLost(shipment_id="S1", lines=(1, 2), reason="burnt"),
        RefundRequested(refund_id="line:1", amount_minor=1_000, reason="parcel_lost"),
        RefundRequested(refund_id="line:2", amount_minor=1_900, reason="parcel_lost"),
        OrderReturned(),
    )
    given(*PRESUMED, confirm("S1"))
    when(LOST)
    then(refusal("ReportLostParcel", "S1", "already_delivered"))
    given(*PRESUMED, send_back("R1", 1))
    when(LOST)
    then(refusal("ReportLostParcel", "S1", "return_under_way"))


def test_a_parcel_that_came_back_before_it_arrived_is_refunded() -> None:
    given(*TWO_PARCELS, confirm("S2"))
    when(MUG_BACK)
    then(MUG_REFUND, OrderDelivered())
    given(*TWO_PARCELS, MUG_BACK)
    when(LOST)
    then(refusal("ReportLostParcel", "S1", "line_already_returned"))


# --- coming back ----------------------------------------------------------------------------------------------------------


def test_delivered_lines_can_be_sent_back() -> None:
    given(*DELIVERED)
    when(send_back("R1"))
    then(ReturnRequested(return_id="R1", lines=(1, 2), reason="too small", until_ms=NOW_MS + 7 * DAY_MS))
    given(*DELIVERED, send_back("R1", 2))
    assert waits() == ("return_answer", 7)
    when(send_back("R1", 2))
    then()
    when(send_back("R1", 1))
    then(refusal("RequestReturn", "R1", "conflicting_duplicate", "lines [2] was sent first, [1] now"))
    when(send_back("R2", 1, 2))
    then(refusal("RequestReturn", "R2", "return_under_way"))
    when(send_back("R2"))
    then(ReturnRequested(return_id="R2", lines=(1,), reason="too small", until_ms=NOW_MS + 7 * DAY_MS))


def test_what_did_not_arrive_cannot_be_sent_back() -> None:
    given(*TWO_PARCELS, confirm("S1"))
    when(send_back("R1", 2))
    then(refusal("RequestReturn", "R1", "not_delivered"))
    when(send_back("R1", 1, 9))
    then(refusal("RequestReturn", "R1", "unknown_line"))
    given(*SHIPPED, LOST)
    when(send_back("R1"))
    then(refusal("RequestReturn", "R1", "parcel_lost"))


def test_the_window_for_returns_ends() -> None:
    given(*DELIVERED)
    when(send_back("R1"), at_ms=NOW_MS + 30 * DAY_MS + 1)
    then(refusal("RequestReturn", "R1", "return_window_over"))


def test_an_endless_row_of_returns_ends() -> None:
    asked = (each for n in range(MAX_RETURNS) for each in (send_back(f"R{n}", 1), RefuseReturn(return_id=f"R{n}")))
    given(*DELIVERED, *asked)
    when(send_back("once more", 1))
    then(refusal("RequestReturn", "once more", "too_many_returns"))


def test_the_merchant_approves_or_refuses_once() -> None:
    given(*DELIVERED, send_back("R1"))
    when(ApproveReturn(return_id="R1"))
    then(APPROVED)
    when(RefuseReturn(return_id="R1", reason="worn"))
    then(ReturnRefused(return_id="R1", reason="worn"))
    when(ReceiveReturn(return_id="R1", lines=()))
    then(refusal("ReceiveReturn", "R1", "not_approved"))
    given(*COMING_BACK)
    when(ApproveReturn(return_id="R1"))
    then()
    when(RefuseReturn(return_id="R1"))
    then(refusal("RefuseReturn", "R1", "return_approved"))
    given(*DELIVERED, send_back("R1"), RefuseReturn(return_id="R1"))
    when(RefuseReturn(return_id="R1"))
    then()
    when(ApproveReturn(return_id="R1"))
    then(refusal("ApproveReturn", "R1", "return_refused"))
    when(ReceiveReturn(return_id="R1", lines=()))
    then(refusal("ReceiveReturn", "R1", "return_refused"))


def test_returns_that_nobody_asked_for_are_unknown() -> None:
    given(*DELIVERED)
    for command in (
        ApproveReturn(return_id="R9"),
        RefuseReturn(return_id="R9"),
        ReceiveReturn(return_id="R9", lines=()),
    ):
        when(command)
        then(refusal(type(command).__name__, "R9", "unknown_return"))


def test_goods_come_back_line_by_line_each_with_its_disposition() -> None:
    given(*COMING_BACK)
    when(ReceiveReturn(return_id="R1", lines=(1,), disposition="quarantine"))
    then(
        ReturnReceived(return_id="R1", lines=(1,), disposition="quarantine"),
        ReturnLine(line=1, sku="MUG", reason="returned", disposition="quarantine"),
    )
    given(*COMING_BACK, ReceiveReturn(return_id="R1", lines=(1,), disposition="quarantine"))
    when(ReceiveReturn(return_id="R1", lines=(1,), disposition="quarantine"))
    then()
    when(ReceiveReturn(return_id="R1", lines=(1,)))
    then(refusal("ReceiveReturn", "R1", "line_already_returned", "line 1 is here: quarantine"))
    when(ReceiveReturn(return_id="R1", lines=()))
    then(
        ReturnReceived(return_id="R1", lines=(2,), disposition="available"),
        ReturnLine(line=2, sku="TEE", reason="returned"),
    )
    when(ReceiveReturn(return_id="R1", lines=(9,)))
    then(refusal("ReceiveReturn", "R1", "unknown_line"))


def test_the_money_follows_the_goods() -> None:
    given(*COMING_BACK, ReceiveReturn(return_id="R1", lines=()))
    when(MUG_BACK)
    then(MUG_REFUND)
    given(*COMING_BACK, ReceiveReturn(return_id="R1", lines=()), MUG_BACK)
    when(MUG_BACK)
    then()
    when(TEE_BACK)
    then(TEE_REFUND, OrderReturned())


def test_goods_whose_return_inventory_cannot_book_are_paid_back_all_the_same() -> None:
    given(*COMING_BACK, ReceiveReturn(return_id="R1", lines=()))
    refused = LineCommandRefused(line=1, sku="MUG", command="ReturnLine", reason="order_id_outside_window")
    when(refused)
    then(MUG_REFUND)
    given(*DELIVERED)
    when(refused)
    then()


def test_a_line_that_a_stranger_booked_back_is_received() -> None:
    given(*COMING_BACK, MUG_BACK, TEE_BACK)
    assert waits() == ("", None)
    when(ReceiveReturn(return_id="R1", lines=()))
    then()
