"""Money that a customer disputes at their bank is neither ours nor gone until the dispute ends."""

from __future__ import annotations

from tests.given_when_then import (
    OrderCancelled,
    OrderCommandRefused,
    RefundReduced,
)
from tests.unit.payments.dsl import (
    CAPTURE,
    CAPTURED,
    DISPUTED,
    INSPECTING,
    PARTIALLY_CAPTURED,
    REFUND,
    REFUNDING,
    asked,
    captured,
    changed,
    given,
    goodwill,
    inspect,
    inspection,
    refund,
    result,
    shipment,
    stands,
    story,
    then,
    when,
)
from topology.states import PaymentState

LOOKED_AT_AGAIN = (*DISPUTED, inspect())


def test_a_dispute_takes_the_money_until_it_ends() -> None:
    given(*INSPECTING)
    when(inspection(disputed_minor=500))
    then(changed("disputed", 500, left=0, disputed=500))
    given(*DISPUTED)
    assert (story.state.state, story.state.left_minor) == (PaymentState.DISPUTED, 0)
    assert not story.state.is_settled


def test_a_dispute_that_is_won_brings_it_back() -> None:
    given(*LOOKED_AT_AGAIN)
    when(inspection(number=2))
    then(changed("dispute_won", 500, left=500))
    assert stands(*LOOKED_AT_AGAIN, inspection(number=2)) is PaymentState.CAPTURED


def test_a_dispute_that_is_lost_takes_it_for_good() -> None:
    given(*LOOKED_AT_AGAIN)
    when(inspection(number=2, lost_minor=500))
    then(changed("dispute_lost", 500, left=0, gone=500))
    given(*LOOKED_AT_AGAIN, inspection(number=2, lost_minor=500))
    assert (story.state.state, story.state.refunded_minor) == (PaymentState.REFUNDED, 0)
    when(refund("line:1", 200))
    then(RefundReduced(refund_id="line:1", asked_minor=200, amount_minor=0, reason="disputed"))
    when(OrderCancelled())
    then()


def test_a_dispute_of_which_only_the_end_is_seen_is_published_whole() -> None:
    given(*INSPECTING)
    when(inspection(lost_minor=500))
    then(changed("disputed", 500, left=0, gone=500), changed("dispute_lost", 500, left=0, gone=500))


def test_a_refund_waits_for_the_end_of_a_dispute() -> None:
    given(*DISPUTED)
    when(OrderCancelled())
    then()
    given(*DISPUTED, refund("line:1", 200), inspect())
    when(inspection(number=2))
    then(changed("dispute_won", 500, left=500), asked(REFUND, amount_minor=200, reference="line:1"))
    when(inspection(number=2, lost_minor=500))
    then(
        changed("dispute_lost", 500, left=0, gone=500),
        RefundReduced(refund_id="line:1", asked_minor=200, amount_minor=0, reason="disputed"),
    )


def test_a_cancelled_orders_money_goes_back_once_its_dispute_is_won() -> None:
    given(*DISPUTED, OrderCancelled(), inspect())
    when(inspection(number=2))
    then(changed("dispute_won", 500, left=500), asked(REFUND, reference="cancelled"))
    when(inspection(number=2, lost_minor=500))
    then(changed("dispute_lost", 500, left=0, gone=500))


def test_our_refund_that_is_refused_because_of_a_dispute_waits_for_its_end() -> None:
    given(*REFUNDING)
    when(inspection(REFUND, disputed_minor=500, refusal="charge_disputed"))
    then(changed("disputed", 500, left=0, disputed=500))
    given(*REFUNDING, inspection(REFUND, disputed_minor=500, refusal="charge_disputed"), inspect())
    when(inspection())
    then(changed("dispute_won", 500, left=500), asked(REFUND, number=2, amount_minor=200, reference="line:1"))


def test_a_person_gives_nothing_back_while_it_is_disputed() -> None:
    given(*DISPUTED)
    when(goodwill("sorry", 100))
    then(OrderCommandRefused(command="RefundOrder", reference="sorry", reason="payment_disputed"))


def test_a_part_that_is_disputed_leaves_the_rest() -> None:
    given(*INSPECTING, inspection(disputed_minor=200), refund("line:1", 500), inspect())
    when(inspection(number=2, lost_minor=200))
    then(
        changed("dispute_lost", 200, left=300, gone=200),
        RefundReduced(refund_id="line:1", asked_minor=500, amount_minor=300, reason="disputed"),
        asked(REFUND, amount_minor=300, reference="line:1"),
    )


def test_a_refund_that_waits_behind_a_capture_gets_what_a_lost_dispute_leaves() -> None:
    waits = (*PARTIALLY_CAPTURED, inspect(), shipment("parcel-2", 200), refund("line:1", 300))
    given(*waits, inspection(captured_minor=300, lost_minor=300))
    when(result(CAPTURE, number=2))
    then(
        captured("parcel-2", 200),
        RefundReduced(refund_id="line:1", asked_minor=300, amount_minor=200, reason="disputed"),
        asked(REFUND, amount_minor=200, reference="line:1"),
    )


def test_what_was_refunded_and_is_disputed_too_is_no_figure_below_nothing_for_others() -> None:
    given(*CAPTURED, goodwill("sorry", 500), result(REFUND), inspect())
    when(inspection(refunded_minor=500, disputed_minor=500))
    then(changed("disputed", 500, left=-500, disputed=500))
