"""Commands about an order that nobody placed are answered so, by orders alone, and leave nothing behind."""

from typing import Any

import pytest

from consumers.fulfilment.decide import COMMANDS as GOODS
from consumers.fulfilment.room import FulfilmentRoom
from consumers.orders.room import OrdersRoom
from consumers.payments.decide import COMMANDS as MONEY
from consumers.runtime.room import Room
from schemas import messages as m
from tests.given_when_then import NOW_MS, A, OrderCommandRefused, OrderCommandUnmatched, word
from tests.unit.orders.dsl import (
    AUTHORIZED,
    CANCELLED,
    COMMITTED,
    LINE_1,
    PAID,
    REJECTED,
    RESERVED,
    given,
    story,
    then,
    when,
)
from tests.unit.payments.test_long_after import Room as PaymentsRoom

ROOMS: list[tuple[Room[Any], type[m.Message]]] = [
    *((FulfilmentRoom(), command) for command in GOODS),
    *((PaymentsRoom(), command) for command in MONEY),
]
FIELDS: dict[str, Any] = {"shipment_id": "S1", "return_id": "R1", "refund_id": "sorry", "lines": (), "carrier": "post"}


def command_of(kind: type[m.Message]) -> Any:
    more = {"tracking": "T1", "note": "by hand", "amount_minor": 100}
    named = {name: value for name, value in {**FIELDS, **more}.items() if name in kind.__struct_fields__}
    return word(kind)(**named)


@pytest.mark.parametrize(("room", "kind"), ROOMS, ids=[kind.__name__ for _, kind in ROOMS])
def test_a_room_that_keeps_nothing_of_an_order_leaves_the_answer_to_orders(
    room: Room[Any], kind: type[m.Message]
) -> None:
    state, command = room.new_state(0), command_of(kind)
    [unmatched] = room.decide(state, command, NOW_MS)
    assert isinstance(unmatched, m.OrderCommandUnmatched)
    assert (unmatched.order_id, unmatched.command) == (A, kind.__name__)
    assert not state.by_order, "no ghost"
    assert not state.changed

    orders = OrdersRoom()
    answers = list(orders.decide(known := orders.new_state(0), unmatched, NOW_MS))
    reference = next((getattr(command, name) for name in FIELDS if name.endswith("_id") and hasattr(command, name)), "")
    assert answers == [m.OrderCommandRefused(A, kind.__name__, reference, "unknown_order")]
    assert not known.by_order, "no ghost"
    assert not known.changed


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        ((), "unknown_order"),
        ((LINE_1,), "not_paid"),
        (RESERVED, "not_paid"),
        (AUTHORIZED, "not_paid"),
        (COMMITTED, "not_paid"),
        (PAID, "not_paid"),
        (REJECTED, "order_over"),
        (CANCELLED, "order_cancelled"),
    ],
)
def test_orders_gives_the_reason_by_where_the_order_stands(history: tuple[Any, ...], reason: str) -> None:
    given(*history)
    when(OrderCommandUnmatched(command="ShipOrder", reference="S1"))
    then(OrderCommandRefused(command="ShipOrder", reference="S1", reason=reason))


def test_the_question_itself_leaves_no_trace() -> None:
    given(LINE_1, OrderCommandUnmatched())
    assert story.state.updated_at_ms == NOW_MS
    given(OrderCommandUnmatched())
    assert story.state.updated_at_ms == 0
