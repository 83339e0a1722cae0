"""Fulfilment's sentences: given are the messages heard so far; what followed from them is written down too."""

from __future__ import annotations

from typing import Any, Final

from consumers.fulfilment.evolve import evolve
from consumers.fulfilment.state import Fulfilment, LineState
from consumers.fulfilment.transitions import decide
from consumers.runtime.deciding.now import Now
from schemas import messages as m
from schemas.messages import Message, OrderedLine
from schemas.terms import CAPTURE_AT_SHIPPING
from tests.given_when_then import (
    NOW_MS,
    A,
    ApproveReturn,
    ConfirmDelivery,
    LineReturned,
    LineShipped,
    OrderPaid,
    OrderPlaced,
    PaymentCaptured,
    RequestReturn,
    ShipLine,
    ShipmentRequested,
    ShipmentShipped,
    ShipOrder,
    Story,
)

DAY_MS: Final = 24 * 60 * 60 * 1000


def _apply(fulfilment: Fulfilment, step: Message | tuple[int, Message]) -> None:
    at_ms, message = step if isinstance(step, tuple) else (NOW_MS, step)
    evolve(fulfilment, message, decide(fulfilment, message, Now(at_ms)), Now(at_ms))


story = Story(
    begin=lambda: Fulfilment(A),
    apply=_apply,
    decide=lambda fulfilment, message, at_ms: decide(fulfilment, message, Now(at_ms)),
    seen=lambda fulfilment: fulfilment,
)
given, when, then, then_refused = story.given, story.when, story.then, story.then_refused

MUG: Final = OrderedLine(1, "MUG", 2, 500)
TEE: Final = OrderedLine(2, "TEE", 1, 1_900)
PAID: Final = OrderPaid(amount_minor=2_900, lines=(MUG, TEE))
PLACED: Final = OrderPlaced(amount_minor=2_900, terms=CAPTURE_AT_SHIPPING, lines=(MUG, TEE))
SHIP_MUG = ShipLine(line=1, sku="MUG")
SHIP_TEE = ShipLine(line=2, sku="TEE")
ALL_IN_ONE_PARCEL = ShipmentRequested(shipment_id="S1", lines=(1, 2), amount_minor=2_900)
MUG_BACK = LineReturned(line=1, sku="MUG", quantity=2, reason="returned")


def ship(shipment_id: str, *lines: int) -> m.ShipOrder:
    return ShipOrder(shipment_id=shipment_id, lines=lines, carrier="post", tracking="T1")


def shipped(shipment_id: str, *lines: int) -> m.ShipmentShipped:
    return ShipmentShipped(shipment_id=shipment_id, lines=lines, carrier="post", tracking="T1")


def captured(shipment_id: str, amount_minor: int = 1_000) -> m.PaymentCaptured:
    return PaymentCaptured(amount_minor=amount_minor, reference=shipment_id)


def confirm(shipment_id: str) -> m.ConfirmDelivery:
    return ConfirmDelivery(shipment_id=shipment_id)


def send_back(return_id: str, *lines: int) -> m.RequestReturn:
    return RequestReturn(return_id=return_id, lines=lines, reason="too small")


def end_waits(at_ms: int) -> m.EndWaits:
    return m.EndWaits("fulfilment", at_ms, 100)


def refusal(command: str, reference: str, reason: str, detail: str = "") -> m.OrderCommandRefused:
    return m.OrderCommandRefused(A, command, reference, reason, detail)


MUG_LEFT: Final = LineShipped(line=1, sku="MUG", quantity=2)
TEE_LEFT: Final = LineShipped(line=2, sku="TEE")
SHIPPED: Final = (PAID, ship("S1"), MUG_LEFT, TEE_LEFT)
DELIVERED: Final = (*SHIPPED, confirm("S1"))
COMING_BACK: Final = (*DELIVERED, send_back("R1"), ApproveReturn(return_id="R1"))


def state() -> str:
    return story.state.state.value


def lines() -> dict[int, LineState]:
    """Return where the lines stand."""
    return {number: line.state for number, line in story.state.lines.items()}


def waits() -> tuple[str, Any]:
    """Return what is waited for, and for how many days from now."""
    deadline_ms = story.state.deadline_ms
    return story.state.waits_for, None if deadline_ms is None else (deadline_ms - NOW_MS) / DAY_MS
