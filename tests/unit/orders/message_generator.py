"""What an order may hear next if all goes well, now and then with a word that does not fit."""

from __future__ import annotations

import random
from typing import Any, Final

from consumers.orders.state import Order
from consumers.orders.transitions import TRANSITIONS
from schemas import messages as m
from schemas.terms import TERMS
from tests.given_when_then import USUAL, A
from topology.states import OVER_ORDER_STATES, OrderState

SKUS: Final = {1: "MUG", 2: "TEE", 3: "MUG"}
STRAY: Final[dict[str, tuple[Any, ...]]] = {
    "line": (1, 2, 3),
    "line_count": (1, 2, 3),
    "sku": ("MUG", "TEE"),
    "currency": ("EUR", "USD"),
    "terms": tuple(sorted(TERMS)),
    "reason": ("insufficient_stock", "replaced", "payment_timeout"),
    "reference": ("", "parcel-1"),
    "shipping_minor": (45, 0),
    "requested_by": ("customer", "merchant", "a passer-by"),
}
ONWARD: Final = set(OrderState) - OVER_ORDER_STATES


def likely(order: Order, dice: random.Random) -> m.Message:
    """Return a message that mostly fits the ones before it; orders end early when every message is as likely."""
    incoming = TRANSITIONS[order.state]
    onward = [
        message for message, transition in incoming.items() if any(state in ONWARD for state in transition.leads_to)
    ]
    of = dice.choice(onward if onward and dice.random() < 0.6 else list(incoming))
    line = dice.choice((1, 2, 3)[: order.line_count or 3])
    fits = {**USUAL, "order_id": A, "line": line, "sku": SKUS[line], "demand": 1, "reason": "insufficient_stock"}
    fits |= {"discount_minor": 5 * line, "tax_minor": line, "shipping_minor": 45}
    fits["reference"] = "parcel-1" if order.captures_at_shipping else ""
    if order.state is OrderState.UNKNOWN:
        fits |= {name: dice.choice(STRAY[name]) for name in ("line_count", "terms")}
    else:
        fits |= {"line_count": order.line_count, "terms": order.terms}
    fits |= {name: dice.choice(values) for name, values in STRAY.items() if dice.random() < 0.05}
    return of(**{name: fits[name] for name in of.__struct_fields__})
