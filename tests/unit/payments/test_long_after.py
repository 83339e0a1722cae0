"""Long after its window a payment that is settled is answered as one that was dropped: as where none was asked for."""

from typing import Any

import pytest

from consumers.errors import RefusedError
from consumers.payments.evolve import evolve
from consumers.payments.room import PaymentsRoom
from consumers.payments.state import Payment
from consumers.payments.store import PaymentsState
from consumers.payments.transitions import TRANSITIONS, decide
from consumers.runtime.deciding.now import Now
from schemas import messages as m
from schemas.ids import order_id_ms
from schemas.limits import ORDER_ID_WINDOW_MS, SETTLING_MS
from tests.given_when_then import NOW_MS, A, word
from tests.unit.payments.dsl import (
    AUTHORIZE,
    AUTHORIZED,
    AUTHORIZING,
    CAPTURED,
    DECLINED,
    PARTIALLY_REFUNDED,
    REFUNDED,
    RESOLVE,
    RETRY,
    VOIDED,
    goodwill,
    inspection,
    refund,
    result,
    shipment,
)
from topology.states import PaymentState

MESSAGE_OF: dict[type[m.Message], m.Message] = {
    m.RecordPaymentResult: result(AUTHORIZE),
    m.ShipmentRequested: shipment("parcel-1", 500),
    m.RefundRequested: refund("line:1", 500),
    m.RefundOrder: goodwill("sorry", 100),
    m.RetryOrder: RETRY,
    m.ResolveOrder: RESOLVE,
    m.RecordPaymentInspection: inspection(),
}
MESSAGES: list[m.Message] = [
    MESSAGE_OF.get(message) or word(message)()
    for message in sorted(TRANSITIONS[PaymentState.NONE], key=lambda message: message.__name__)
    if message is not m.EndWaits
]
EDGE_MS = order_id_ms(A) + ORDER_ID_WINDOW_MS + SETTLING_MS


class Room(PaymentsRoom):
    """The room without its processor."""

    def __init__(self) -> None:
        pass


def book_of(*messages: Any) -> PaymentsState:
    book = PaymentsState(0)
    if messages:
        payment = book.by_order[A] = Payment(A)
        for message in messages:
            evolve(payment, message, decide(payment, message, Now(NOW_MS)), Now(NOW_MS))
    return book


def answer(book: PaymentsState, message: m.Message, at_ms: int) -> Any:
    try:
        return list(Room().decide(book, message, at_ms)), book.inserted, book.changed
    except RefusedError as refusal:
        return refusal.reason


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_is_settled_and_what_was_never_asked_are_one_once_the_window_is_over(message: m.Message) -> None:
    stories = ((), CAPTURED, DECLINED, VOIDED, PARTIALLY_REFUNDED, REFUNDED)
    answers = [answer(book_of(*story), message, EDGE_MS + 1) for story in stories]
    assert all(each == answers[0] for each in answers)
    refused = [m.OrderCommandRefused(A, type(message).__name__, "", "order_id_outside_window")]
    if isinstance(message, m.RefundOrder):
        refused = [m.OrderCommandRefused(A, "RefundOrder", "sorry", "order_id_outside_window")]
    assert answers[0] in (([], {}, set()), (refused, {}, set()), "order_id_outside_window")


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("story", [AUTHORIZING, AUTHORIZED], ids=["authorizing", "authorized"])
def test_money_that_is_under_way_goes_on_however_old_its_order_is(message: m.Message, story: tuple[Any, ...]) -> None:
    late, in_time = (answer(book_of(*story), message, at_ms) for at_ms in (EDGE_MS + 1, NOW_MS))
    if isinstance(late, tuple) and isinstance(in_time, tuple):
        late, in_time = (late[0], late[1].keys()), (in_time[0], in_time[1].keys())
    assert late == in_time
