"""Messages that a fulfilment may hear next: what inventory, payments, warehouses and customers would say, and nonsense."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

from consumers.fulfilment.state import Fulfilment, LineState, ShipmentState
from schemas import messages as m
from schemas.ids import order_id_ms
from schemas.terms import CAPTURE_AT_SHIPPING
from topology.saga import messages_accepted_by
from topology.states import FulfilmentState, ReturnState

ORDER_ID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"
START_MS: Final = order_id_ms(ORDER_ID)
LINES: Final = tuple(m.OrderedLine(n, "MUG", n, 500) for n in (1, 2, 3))
SUBSETS: Final = ((), (1,), (2,), (3,), (1, 2), (2, 3), (1, 3))
ACCEPTED: Final = sorted(messages_accepted_by("fulfilment"), key=lambda each: each.__name__)

VALUES: Final[dict[str, list[Any]]] = {
    "order_id": [ORDER_ID],
    "line": [1, 2, 3],
    "sku": ["MUG"],
    "shipment_id": ["S1", "S2", "S3", "S4"],
    "reference": ["S1", "S2", "S3", ""],
    "return_id": ["R1", "R2", "R3"],
    "command": ["ShipLine", "ReturnLine"],
    "disposition": ["available", "quarantine"],
    "room": ["fulfilment"],
    "terms": [CAPTURE_AT_SHIPPING],
    "limit": [100],
}


def anything(dice: random.Random, now_ms: int) -> m.Message:
    """Make any message that the room hears."""
    of = dice.choice(ACCEPTED)

    def value(name: str) -> Any:
        if name == "as_of_ms":
            return now_ms
        if name == "lines":
            return LINES if of in (m.OrderPaid, m.OrderPlaced) else dice.choice(SUBSETS)
        if name in VALUES:
            return dice.choice(VALUES[name])
        return 5 if of.__annotations__[name] in (int, "int") else "x"

    return of(**{name: value(name) for name in of.__struct_fields__})


def next_message(fulfilment: Fulfilment, dice: random.Random, now_ms: int) -> m.Message:
    """Make a message that mostly fits where the fulfilment stands, and sometimes contradicts it."""
    fitting = list(_fitting(fulfilment, dice, now_ms)) if dice.random() < 0.7 else []
    return dice.choice(fitting) if fitting else anything(dice, now_ms)


def answers_to(fulfilment: Fulfilment, dice: random.Random) -> list[m.Message]:
    """Return one thing that inventory or payments may say to each thing that was asked of them."""
    return [*_inventory_answers(fulfilment, dice), *_payment_answers(fulfilment, dice)]


def _inventory_answers(fulfilment: Fulfilment, dice: random.Random) -> Iterator[m.Message]:
    for number, line in sorted(fulfilment.lines.items()):
        this = (ORDER_ID, number, line.sku)
        back = m.LineReturned(*this, line.quantity, "back")
        if line.state is LineState.LEAVING:
            refusal = m.LineCommandRefused(*this, "ShipLine", dice.choice(("not_committed", "already_shipped")))
            yield dice.choice([m.LineShipped(*this, line.quantity), refusal, back])
        elif line.state in (LineState.WITHDRAWING, LineState.RETURNING):
            yield dice.choice([back, m.LineCommandRefused(*this, "ReturnLine", "order_id_outside_window")])


def _payment_answers(fulfilment: Fulfilment, dice: random.Random) -> Iterator[m.Message]:
    for name, shipment in sorted(fulfilment.shipments.items()):
        if any(fulfilment.lines[number].state is LineState.REQUESTED for number in shipment.lines):
            captured = m.PaymentCaptured(ORDER_ID, "auth", 1, "EUR", name)
            yield dice.choice([captured, m.PaymentCaptureFailed(ORDER_ID, "auth", "declined", name)])


def _fitting(fulfilment: Fulfilment, dice: random.Random, now_ms: int) -> Iterator[m.Message]:
    if fulfilment.state is FulfilmentState.NONE:
        yield m.OrderPaid(ORDER_ID, 3_000, "EUR", LINES)
        yield m.OrderPlaced(ORDER_ID, 3_000, "EUR", CAPTURE_AT_SHIPPING, LINES)
        return
    if fulfilment.deadline_ms is not None and fulfilment.deadline_ms <= now_ms:
        yield m.EndWaits("fulfilment", now_ms, 100)
    yield from answers_to(fulfilment, dice)
    yield from _about_money(dice)
    if fulfilment.numbers(LineState.OPEN):
        yield m.ShipOrder(ORDER_ID, dice.choice(VALUES["shipment_id"]), dice.choice(SUBSETS), "post", "T")
    yield from _about_parcels(fulfilment, dice)
    yield from _about_returns(fulfilment, dice)


def _about_money(dice: random.Random) -> Iterator[m.Message]:
    """Money that went back at the processor without us, or is disputed."""
    if dice.random() < 0.05:
        left, disputed, gone = dice.choice(((3_000, 0, 0), (0, 3_000, 0), (0, 0, 3_000), (1_000, 0, 2_000)))
        yield m.PaymentChangedExternally(ORDER_ID, "auth", "refunded", 1, "EUR", left, disputed, gone)


def _about_parcels(fulfilment: Fulfilment, dice: random.Random) -> Iterator[m.Message]:
    for name, shipment in sorted(fulfilment.shipments.items()):
        if shipment.state is ShipmentState.SHIPPED:
            yield m.ConfirmDelivery(ORDER_ID, name)
            yield m.ReportLostParcel(ORDER_ID, name, "lost")
        elif shipment.state is ShipmentState.DELIVERED:
            yield m.RequestReturn(ORDER_ID, dice.choice(VALUES["return_id"]), dice.choice(SUBSETS), "wrong")
    for number in fulfilment.numbers(LineState.SHIPPED)[:1]:
        yield m.LineReturned(ORDER_ID, number, "MUG", number, "a stranger's")


def _about_returns(fulfilment: Fulfilment, dice: random.Random) -> Iterator[m.Message]:
    for name, each in sorted(fulfilment.returns.items()):
        if each.state is ReturnState.REQUESTED:
            yield dice.choice([m.ApproveReturn(ORDER_ID, name), m.RefuseReturn(ORDER_ID, name, "worn")])
        elif each.state is ReturnState.APPROVED:
            yield m.ReceiveReturn(
                ORDER_ID, name, dice.choice([(), each.missing[:1]]), dice.choice(VALUES["disposition"])
            )
