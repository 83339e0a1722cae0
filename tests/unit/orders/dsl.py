"""Orders' sentences: given are the messages heard so far; what followed from them is written down too."""

from __future__ import annotations

from typing import Any

import msgspec

from consumers.orders.evolve import evolve
from consumers.orders.state import LineState, Order
from consumers.orders.transitions import decide
from consumers.runtime.deciding.now import Now
from schemas import messages as m
from schemas.messages import Message
from schemas.terms import CAPTURE_AT_SHIPPING, SHIP_AVAILABLE
from tests.given_when_then import (
    NOW_MS,
    A,
    CancelOrder,
    LineCommitted,
    LineRejected,
    LineReserved,
    OrderDelivered,
    OrderReturned,
    OrderShipped,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCaptureFailed,
    Story,
)


def _apply(order: Order, message: Message) -> None:
    evolve(order, message, decide(order, message, Now(NOW_MS)), Now(NOW_MS))


story = Story(
    begin=lambda: Order(A),
    apply=_apply,
    decide=lambda order, message, at_ms: decide(order, message, Now(at_ms)),
    seen=lambda order: order,
)
given, when, then, then_refused = story.given, story.when, story.then, story.then_refused

BOTH_TERMS = f"{SHIP_AVAILABLE} {CAPTURE_AT_SHIPPING}"
LINE_1 = LineReserved(line=1, line_count=2, sku="MUG")
LINE_2 = LineReserved(line=2, line_count=2, sku="TEE")
BOTH_LINES = (m.OrderedLine(1, "MUG", 1, 500), m.OrderedLine(2, "TEE", 1, 500))
RESERVED = (LINE_1, LINE_2)
AUTHORIZED = (*RESERVED, PaymentAuthorized(amount_minor=1000))
COMMITTED = (*AUTHORIZED, LineCommitted(line=1), LineCommitted(line=2, sku="TEE"))
PAID = (*COMMITTED, PaymentCaptured())
SHIPPED = (*PAID, OrderShipped())
DELIVERED = (*SHIPPED, OrderDelivered())
RETURNED = (*DELIVERED, OrderReturned())
CANCELLED = (*COMMITTED, PaymentCaptureFailed())
CANCELLED_UNKNOWN = (CancelOrder(),)
NOT_THERE = LineRejected(line=2, line_count=2, sku="TEE", demand=1, reason="insufficient_stock")
REJECTED = (LINE_1, NOT_THERE)


def under(terms: str, *history: Message) -> tuple[Message, ...]:
    """Return the same story of an order under these terms."""
    return tuple(
        msgspec.structs.replace(each, terms=terms) if isinstance(each, m.LineReserved | m.LineRejected) else each
        for each in history
    )


CAPTURED_LATER = under(CAPTURE_AT_SHIPPING, *COMMITTED)
"""Placed, its money authorised, and fulfilment has it."""


def lines() -> dict[int, LineState]:
    """Return where the order's lines stand."""
    return {number: line.state for number, line in story.state.lines.items()}


def state() -> Any:
    return story.state.state.value


def held(line: int, sku: str, **fields: Any) -> Any:
    return LineReserved(**{"line": line, "line_count": 3, "sku": sku, "terms": SHIP_AVAILABLE, **fields})


def gone(line: int, sku: str, **fields: Any) -> Any:
    usual = {"line_count": 3, "demand": 1, "reason": "insufficient_stock", "terms": SHIP_AVAILABLE}
    return LineRejected(**{**usual, "line": line, "sku": sku, **fields})
