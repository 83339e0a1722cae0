"""A release whose rules are stricter than those that decided a log: its inventory takes no more of some SKUs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from consumers.errors import RefusedError
from consumers.inventory.room import InventoryRoom
from consumers.inventory.state import Ledger, Outcome
from consumers.runtime.room import Room
from infra.base.rooms import replayed_rooms
from schemas import messages as m
from schemas.messages import Message

OLD: Final = "OLD-"
"""How SKUs begin that it refuses, beside those with a blank at an end."""


class StricterInventory(InventoryRoom):
    """Refuses to receive and to sell such a SKU; stock of it that is there can be adjusted and retired."""

    def outcomes(self, state: Ledger, message: Message, at_ms: int) -> Sequence[Outcome]:
        sku = getattr(message, "sku", "")
        if (sku != sku.strip() or sku.startswith(OLD)) and isinstance(message, m.PlaceOrderLine | m.ReceiveStock):
            raise RefusedError("malformed_sku", f"{sku!r} is no SKU of this release")
        return super().outcomes(state, message, at_ms)


def stricter_rooms() -> list[Room[Any]]:
    """Return the rooms of that release that replay a log."""
    return [StricterInventory() if room.name == "inventory" else room for room in replayed_rooms()]
