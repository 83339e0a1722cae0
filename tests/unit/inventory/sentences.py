"""Inventory's sentences: given are outcomes of earlier decisions, and the stock that came in."""

from __future__ import annotations

from typing import Any

from consumers.inventory.decide import decide
from consumers.inventory.evolve import StockReceived, evolve
from consumers.inventory.ledger import Ledger
from tests.given_when_then import NOW_MS, Story

story = Story(
    begin=lambda: Ledger(0),
    hear=lambda ledger, outcome: evolve(ledger, outcome, NOW_MS),
    decide=decide,
    seen=vars,
)
given, when, then, then_refused = story.given, story.when, story.then, story.then_refused


def stock(sku: str = "MUG", *, on_hand: int) -> StockReceived:
    return StockReceived(f"first delivery of {sku}", sku, on_hand)


def received(command_id: str, sku: str = "MUG", quantity: int = 1) -> Any:
    return StockReceived(command_id, sku, quantity)
