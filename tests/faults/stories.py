"""What happens to one order while somebody dies: stages with what each waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from producers.clients.orders import ACCEPTED_TOKEN
from schemas import messages as m
from schemas.terms import CAPTURE_AT_SHIPPING

_HAS_GOODS = "SELECT count(*) FROM fulfilments WHERE order_id = $1"


_IN_STATE = "SELECT count(*) FROM orders WHERE order_id = $1 AND state = '{}'"


_RETURN = """
SELECT returns ? 'B1' AND coalesce(returns->'B1'->>'state', 'requested') = '{}' FROM fulfilments WHERE order_id = $1
"""


_MONEY = """
SELECT state, authorized_minor, captured_minor, voided_minor, refunded_minor FROM payments WHERE order_id = $1
"""


class SagaStage(NamedTuple):
    """What people say once the condition (SQL about an order) is true."""

    when: str
    messages: tuple[Callable[[str], m.Message], ...]


class Story(NamedTuple):
    """An order's way, from its placing to a state with nothing left to do."""

    terms: str
    token: str
    steps: tuple[SagaStage, ...]
    end: str


_SEND_AND_TAKE_BACK = (
    SagaStage(
        _HAS_GOODS,
        (
            lambda order_id: m.ShipOrder(order_id, "S1", (1,), "post", "T"),
            lambda order_id: m.ShipOrder(order_id, "S2", (), "v", "U"),
        ),
    ),
    SagaStage(
        _IN_STATE.format("shipped"),
        (lambda order_id: m.ConfirmDelivery(order_id, "S1"), lambda order_id: m.ConfirmDelivery(order_id, "S2")),
    ),
    SagaStage(_IN_STATE.format("delivered"), (lambda order_id: m.RequestReturn(order_id, "B1", (1,), "too small"),)),
    SagaStage(_RETURN.format("requested"), (lambda order_id: m.ApproveReturn(order_id, "B1"),)),
    SagaStage(_RETURN.format("approved"), (lambda order_id: m.ReceiveReturn(order_id, "B1", ()),)),
)


_REFUNDED = "SELECT count(*) FROM payments WHERE order_id = $1 AND refunded_minor > 0"


STORIES = {
    "sold and one line taken back": Story("", ACCEPTED_TOKEN, _SEND_AND_TAKE_BACK, _REFUNDED),
    "captured with each parcel": Story(CAPTURE_AT_SHIPPING, ACCEPTED_TOKEN, _SEND_AND_TAKE_BACK, _REFUNDED),
    "cancelled when it was paid": Story(
        "",
        ACCEPTED_TOKEN,
        (SagaStage(_HAS_GOODS, (lambda order_id: m.CancelOrder(order_id, "customer", "thought"),)),),
        _REFUNDED,
    ),
    "not captured": Story("", "tok_capture_fails", (), _IN_STATE.format("cancelled")),
}


SILENT = {("fulfilment", "not captured")}
"""Which room publishes nothing in which story."""
UNCONCERNED = {("intake", "not captured")}
"""Which room has nothing to do in which story: nobody outside asks anything of that order."""
