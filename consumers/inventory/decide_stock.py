"""What inventory decides on commands about a SKU itself. Pure; each takes effect once per command id and SKU.

A command that is well formed but cannot be done is refused for good: it leaves a row in the ledger and a dead letter, so
whoever sent it learns why, and sending it again later does not surprise anyone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.inventory.state import (
    AVAILABLE,
    RETURN,
    SCRAP,
    SHIPMENT,
    QuarantineCleared,
    SaleRulesChanged,
    StockAdjusted,
    StockCommandRefused,
    StockReceived,
)
from consumers.text import require_text
from schemas import messages as m
from schemas.ids import NIL_UUID, command_uuid, is_in_window
from schemas.limits import MAX_QUANTITY

if TYPE_CHECKING:
    from consumers.inventory.state import Ledger, Outcome
    from consumers.runtime.deciding.now import Now


def receive_stock(ledger: Ledger, command: m.ReceiveStock, now: Now) -> list[Outcome]:
    """Add received units."""
    _require_quantity(command.quantity)
    if _is_known(ledger, command, now):
        return []
    return [StockReceived(command.command_id, command.sku, command.quantity)]


def adjust_stock(ledger: Ledger, command: m.AdjustStock, now: Now) -> list[Outcome]:
    """Correct a count; what is promised to buyers or quarantined cannot be counted away."""
    require_text(command.reason)
    _require_quantity(abs(command.change))
    if _is_known(ledger, command, now):
        return []
    stock = ledger.stock(command.sku)
    if stock.available + command.change >= 0:
        return [StockAdjusted(command.command_id, command.sku, command.change, command.reason)]
    return _refused(
        command,
        f"on_hand {stock.on_hand} {command.change:+d} would be less than reserved {stock.reserved} + allocated "
        f"{stock.allocated} + quarantined {stock.quarantined}",
    )


def clear_quarantine(ledger: Ledger, command: m.ClearQuarantine, now: Now) -> list[Outcome]:
    """Make quarantined units sellable, or write them off."""
    _require_quantity(command.quantity)
    if command.disposition not in (AVAILABLE, SCRAP):
        raise RefusedError("invalid_disposition", f"{command.disposition!r}; send {AVAILABLE} or {SCRAP}")
    if _is_known(ledger, command, now):
        return []
    quarantined = ledger.stock(command.sku).quarantined
    if command.quantity > quarantined:
        return _refused(command, f"{command.quantity} units asked for, {quarantined} are quarantined")
    return [QuarantineCleared(command.command_id, command.sku, command.quantity, command.disposition)]


def set_purchase_limit(ledger: Ledger, command: m.SetPurchaseLimit, now: Now) -> list[Outcome]:
    """Limit what one customer may have of the SKU from here on; 0 lifts the limit."""
    if not 0 <= command.limit <= MAX_QUANTITY:
        raise RefusedError("invalid_quantity", f"limit {command.limit}; send 0 (none) to {MAX_QUANTITY}")
    if _is_known(ledger, command, now):
        return []
    return [SaleRulesChanged(command.command_id, command.sku, "purchase_limit", str(command.limit), command.limit)]


def suspend_sale(ledger: Ledger, command: m.SuspendSale, now: Now) -> list[Outcome]:
    """Take the SKU off sale."""
    require_text(command.reason)
    if _is_known(ledger, command, now):
        return []
    return [SaleRulesChanged(command.command_id, command.sku, "suspension", command.reason)]


def resume_sale(ledger: Ledger, command: m.ResumeSale, now: Now) -> list[Outcome]:
    """Put the SKU on sale again."""
    if _is_known(ledger, command, now):
        return []
    return [SaleRulesChanged(command.command_id, command.sku, "resumption")]


def retire_sku(ledger: Ledger, command: m.RetireSku, now: Now) -> list[Outcome]:
    """End a SKU of which nothing is left."""
    if _is_known(ledger, command, now):
        return []
    stock = ledger.stock(command.sku)
    if stock.on_hand:
        return _refused(command, f"{stock.on_hand} units are still on hand; sell them or adjust the stock to 0 first")
    return [SaleRulesChanged(command.command_id, command.sku, "retirement")]


def _is_known(ledger: Ledger, command: m.SkuCommand, now: Now) -> bool:
    """Tell whether the command was decided before. Raises RefusedError for an id that cannot be, or is outside the window."""
    require_text(command.command_id, command.sku)
    if _is_of_a_line(command.command_id):
        raise RefusedError("reserved_command_id", f"{command.command_id} names a line's own movement; send another id")
    uuid = command_uuid(command.command_id)
    if uuid != NIL_UUID and not is_in_window(uuid, now.at_ms):
        raise RefusedError("command_id_outside_window", f"{command.command_id} is too old, or ahead; send a new id")
    return (command.command_id, command.sku) in ledger.commands


_is_of_a_line: Final = re.compile(rf"[0-9a-f-]{{36}}/[0-9]+/({SHIPMENT}|{RETURN})").fullmatch
"""What `evolve.line_movement_id` makes: under such an id a stock command would take a line's place in the ledger."""


def _require_quantity(quantity: int) -> None:
    if not 0 < quantity <= MAX_QUANTITY:
        raise RefusedError("invalid_quantity", f"{quantity} units; send 1 to {MAX_QUANTITY}")


def _refused(command: m.SkuCommand, detail: str) -> list[Outcome]:
    kind = type(command).__name__
    return [
        StockCommandRefused(command.command_id, command.sku, kind, detail),
        RefusedError(f"{kind}_refused", detail),
    ]
