"""Inventory's sentences: given are outcomes of earlier decisions, and the stock that came in."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.errors import RefusedError
from consumers.inventory.evolve import evolve
from consumers.inventory.state import (
    HeldForCart,
    Ledger,
    SaleRulesChanged,
    StockCommandRefused,
    StockReceived,
    cart_owner,
)
from consumers.inventory.transitions import decide
from consumers.runtime.deciding.now import Now
from schemas import messages as m
from tests.given_when_then import NOW_MS, LineCommitted, LineReserved, LineReturned, Story

_NOTHING = m.ExpireHolds(0, 0)


story = Story(
    begin=lambda: Ledger(0),
    apply=lambda ledger, outcome: evolve(ledger, _NOTHING, [outcome], Now(NOW_MS)),
    decide=lambda ledger, command, at_ms: decide(ledger, command, Now(at_ms)),
    seen=vars,
)
given, when, then, then_refused = story.given, story.when, story.then, story.then_refused


def stock(sku: str = "MUG", *, on_hand: int) -> StockReceived:
    return StockReceived(f"first delivery of {sku}", sku, on_hand)


ALLOCATED = (stock(on_hand=5), LineReserved(quantity=2), LineCommitted(quantity=2))
QUARANTINED = (*ALLOCATED, LineReturned(quantity=2, disposition="quarantine"))


def received(command_id: str, sku: str = "MUG", quantity: int = 1) -> Any:
    return StockReceived(command_id, sku, quantity)


def ruled(kind: str, command_id: str = "rule", *, limit: int = 0) -> SaleRulesChanged:
    return SaleRulesChanged(command_id, "MUG", kind, limit=limit)


def limited(limit: int, command_id: str = "limit") -> SaleRulesChanged:
    return ruled("purchase_limit", command_id, limit=limit)


def refused(command_id: str) -> StockCommandRefused:
    return StockCommandRefused(command_id, "MUG", "AdjustStock", "there was a reason")


def in_cart(cart_id: str, fact: m.LineReserved) -> list[Any]:
    """Return the outcomes that reserve a line of a cart."""
    owner = cart_owner(fact.customer_id, cart_id)
    return [fact, HeldForCart(fact.order_id, fact.line, fact.sku, owner)]


def level(sku: str = "MUG") -> tuple[int, int, int, int]:
    """Return on hand, reserved, allocated and quarantined units."""
    units = story.state.stock(sku)
    return units.on_hand, units.reserved, units.allocated, units.quarantined


def then_refused_for_good(command_id: str, kind: str, why: str) -> None:
    """Say that a stock command is refused, remembered so, and dead-lettered with the same words."""
    outcomes = story.outcomes
    if not isinstance(outcomes, list) or len(outcomes) != 2:
        pytest.fail(f"it was not refused for good, it led to {outcomes}")
    remembered, letter = outcomes
    assert remembered == StockCommandRefused(command_id, "MUG", kind, why)
    assert isinstance(letter, RefusedError)
    assert (letter.reason, letter.detail) == (f"{kind}_refused", why)
