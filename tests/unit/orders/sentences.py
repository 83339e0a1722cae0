"""Orders' sentences: given are the facts heard so far; what followed from them is written down too."""

from __future__ import annotations

from typing import Any

from consumers.orders.decide import decide
from consumers.orders.order import LineState, Order, evolve
from schemas.messages import Message
from tests.given_when_then import (
    NOW_MS,
    LineCommitted,
    LineRejected,
    LineReserved,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCaptureFailed,
    Story,
)


def _hear(order: Order, fact: Message) -> None:
    evolve(order, fact, decide(order, fact), NOW_MS)


story = Story(
    begin=Order,
    hear=_hear,
    decide=lambda order, fact, _: decide(order, fact),
    seen=lambda order: order,
)
given, when, then, then_refused = story.given, story.when, story.then, story.then_refused

LINE_1 = LineReserved(line=1, line_count=2, sku="MUG")
LINE_2 = LineReserved(line=2, line_count=2, sku="TEE")
RESERVED = (LINE_1, LINE_2)
AUTHORIZED = (*RESERVED, PaymentAuthorized(amount_minor=1000))
COMMITTED = (*AUTHORIZED, LineCommitted(line=1), LineCommitted(line=2, sku="TEE"))
PAID = (*COMMITTED, PaymentCaptured())
CANCELLED = (*COMMITTED, PaymentCaptureFailed())
NOT_THERE = LineRejected(line=2, line_count=2, sku="TEE", demand=1, reason="insufficient_stock")
REJECTED = (LINE_1, NOT_THERE)


def lines() -> dict[int, LineState]:
    """Return where the order's lines stand."""
    return {number: line.state for number, line in story.state.lines.items()}


def state() -> Any:
    return story.state.state.value
