"""Long after its window a fulfilment that waits for nothing is answered as one that was dropped: as where there is none."""

from typing import Any

import pytest

from consumers.errors import RefusedError
from consumers.fulfilment.decide import COMMANDS
from consumers.fulfilment.room import FulfilmentRoom
from consumers.fulfilment.state import Fulfilment
from consumers.fulfilment.transitions import TRANSITIONS
from consumers.runtime.order_keyed import OrderKeyedState
from schemas import messages as m
from schemas.ids import order_id_ms
from schemas.limits import ORDER_ID_WINDOW_MS, SETTLING_MS
from tests.given_when_then import NOW_MS, A, OrderCancelled, word
from tests.unit.fulfilment.dsl import DELIVERED, PAID, PLACED, SHIPPED, ship
from topology.states import FulfilmentState

EDGE_MS = order_id_ms(A) + ORDER_ID_WINDOW_MS + SETTLING_MS
"""The last moment at which a fulfilment that waits for nothing is answered by its state."""
CHANGED = m.PaymentChangedExternally(A, "auth_1", "refunded", 500, "EUR", 0, 0, 500)
GIVEN: dict[type[m.Message], m.Message] = {
    m.OrderPaid: PAID,
    m.OrderPlaced: PLACED,
    m.ShipOrder: ship("S1"),
    m.PaymentChangedExternally: CHANGED,
}
FIELDS: dict[str, Any] = {
    "shipment_id": "S1",
    "return_id": "R1",
    "lines": (),
    "command": "ShipLine",
    "reference": "S1",
    "refund_id": "sorry",
}
CLOSED = ((PAID, OrderCancelled()), DELIVERED)


def message_of(kind: type[m.Message]) -> m.Message:
    fields = {name: value for name, value in FIELDS.items() if name in kind.__struct_fields__}
    return GIVEN.get(kind) or word(kind)(**fields)


MESSAGES = [
    message_of(kind)
    for kind in sorted(TRANSITIONS[FulfilmentState.NONE], key=lambda kind: kind.__name__)
    if kind is not m.EndWaits
]


def state_of(*messages: Any) -> OrderKeyedState[Fulfilment]:
    state = OrderKeyedState[Fulfilment](0)
    for message in messages:
        list(FulfilmentRoom().decide(state, message, NOW_MS))
    return state


def answer(state: OrderKeyedState[Fulfilment], message: m.Message, at_ms: int) -> Any:
    try:
        return list(FulfilmentRoom().decide(state, message, at_ms))
    except RefusedError as refusal:
        return refusal.reason


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_what_is_closed_and_what_never_began_are_one_once_the_window_is_over(message: m.Message) -> None:
    answers = [answer(state_of(*story), message, EDGE_MS + 1) for story in ((), *CLOSED)]
    assert all(each == answers[0] for each in answers)
    if isinstance(message, COMMANDS):
        assert answers[0][0].reason == "order_id_outside_window"
    else:
        assert answers[0] in ([], "order_id_outside_window")


def test_an_order_of_which_nothing_is_kept_any_more_is_not_begun() -> None:
    state = state_of()
    assert answer(state, PAID, EDGE_MS + 1) == "order_id_outside_window"
    assert not state.by_order
    assert answer(state, PAID, EDGE_MS) == []
    assert state.by_order[A].state is FulfilmentState.OPEN


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("story", [(PAID,), SHIPPED], ids=["open", "shipped"])
def test_goods_that_are_under_way_go_on_however_old_their_order_is(message: m.Message, story: tuple[Any, ...]) -> None:
    late, in_time = (answer(state_of(*story), message, at_ms) for at_ms in (EDGE_MS + 1, NOW_MS))
    assert late == in_time
