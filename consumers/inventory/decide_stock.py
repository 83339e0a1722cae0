"""What inventory decides on commands about a SKU itself. Pure; each takes effect once per command id and SKU.

A command that is well formed but cannot be done is refused for good: it leaves a row in the ledger and a dead letter, so
whoever sent it learns why, and sending it again later does not surprise anyone. One that is sent under an id that stands
for something else is a dead letter that names what differs.

Decision: docs/decisions, 017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.inventory.state import (
    REFUSAL,
    LedgerEntry,
    ParkingChanged,
    QuarantineCleared,
    SaleRulesChanged,
    SkuEvent,
    StockAdjusted,
    StockCommandRefused,
    StockReceived,
)
from consumers.runtime.deciding.validation import require_identifier, require_valid
from schemas import messages as m
from schemas.ids import NIL_UUID, command_uuid, is_in_window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.inventory.state import Ledger, Outcome
    from consumers.runtime.deciding.now import Now

UNKNOWN_SKU: Final = "unknown_sku"
CONFLICT: Final = "conflicting_duplicate"


def event_of(command: m.SkuCommand) -> SkuEvent:
    """Return what the command does if it is obeyed: what its id stands for from then on."""
    name = (command.command_id, command.sku)
    match command:
        case m.ReceiveStock():
            return StockReceived(*name, command.quantity)
        case m.AdjustStock():
            return StockAdjusted(*name, command.change, command.reason)
        case m.ClearQuarantine():
            return QuarantineCleared(*name, command.quantity, command.disposition)
        case m.ParkSku() | m.ReleaseParked() | m.EndRelease():
            return _parking_event_of(command)
    return _sale_event_of(command)


def _parking_event_of(command: m.ParkSku | m.ReleaseParked | m.EndRelease) -> ParkingChanged:
    name = (command.command_id, command.sku)
    match command:
        case m.ParkSku():
            return ParkingChanged(*name, "arming" if command.on_dead_letter else "parking", command.reason)
        case m.ReleaseParked():
            note = f"{command.count} after {command.released} of {command.parked_by}"
            return ParkingChanged(*name, "release", note, command.count)
    return ParkingChanged(*name, "end of release", command.parked_by)


def _sale_event_of(command: m.SkuCommand) -> SaleRulesChanged:
    name = (command.command_id, command.sku)
    match command:
        case m.SetPurchaseLimit():
            return SaleRulesChanged(*name, "purchase_limit", limit=command.limit)
        case m.SuspendSale():
            return SaleRulesChanged(*name, "suspension", command.reason)
    return SaleRulesChanged(*name, _RULES[type(command)])


_RULES: Final[Mapping[type[m.SkuCommand], str]] = {m.ResumeSale: "resumption", m.RetireSku: "retirement"}


def receive_stock(ledger: Ledger, command: m.ReceiveStock, now: Now) -> list[Outcome]:
    """Add received units."""
    return [] if is_repeat(ledger, command, now) else [event_of(command)]


def adjust_stock(ledger: Ledger, command: m.AdjustStock, now: Now) -> list[Outcome]:
    """Correct a count; what is promised to buyers or quarantined cannot be counted away."""
    if is_repeat(ledger, command, now):
        return []
    stock = ledger.stock(command.sku)
    if stock.available + command.change >= 0:
        return [event_of(command)]
    return refuse(
        command,
        f"on_hand {stock.on_hand} {command.change:+d} would be less than reserved {stock.reserved} + allocated "
        f"{stock.allocated} + quarantined {stock.quarantined}",
    )


def clear_quarantine(ledger: Ledger, command: m.ClearQuarantine, now: Now) -> list[Outcome]:
    """Make quarantined units sellable, or write them off."""
    if is_repeat(ledger, command, now):
        return []
    quarantined = ledger.stock(command.sku).quarantined
    if command.quantity > quarantined:
        return refuse(command, f"{command.quantity} units asked for, {quarantined} are quarantined")
    return [event_of(command)]


def set_purchase_limit(ledger: Ledger, command: m.SetPurchaseLimit, now: Now) -> list[Outcome]:
    """Limit what one customer may have of the SKU from here on; 0 lifts the limit."""
    return _change_rules(ledger, command, now, even_if_unknown=command.even_if_unknown == 1)


def suspend_sale(ledger: Ledger, command: m.SuspendSale, now: Now) -> list[Outcome]:
    """Take the SKU off sale."""
    return _change_rules(ledger, command, now, even_if_unknown=command.even_if_unknown == 1)


def resume_sale(ledger: Ledger, command: m.ResumeSale, now: Now) -> list[Outcome]:
    """Put the SKU on sale again."""
    return _change_rules(ledger, command, now)


def retire_sku(ledger: Ledger, command: m.RetireSku, now: Now) -> list[Outcome]:
    """End a SKU of which nothing is left."""
    outcomes = _change_rules(ledger, command, now)
    if outcomes and (on_hand := ledger.stock(command.sku).on_hand):
        return refuse(command, f"{on_hand} units are still on hand; sell them or adjust the stock to 0 first")
    return outcomes


def _change_rules(ledger: Ledger, command: m.SkuCommand, now: Now, *, even_if_unknown: bool = False) -> list[Outcome]:
    if is_repeat(ledger, command, now):
        return []
    if not even_if_unknown and not ledger.stock(command.sku).is_known:
        return refuse(command, f"{UNKNOWN_SKU}: no stock of it ever came in")
    return [event_of(command)]


def is_repeat(ledger: Ledger, command: m.SkuCommand, now: Now) -> bool:
    """Tell whether the command was decided before, under its id and alike.

    Raises RefusedError for one that is malformed or outside the window, and for an id that stands for something else.
    """
    require_valid(command)
    if not ledger.stock(command.sku).is_known:
        require_identifier(f"{type(command).__name__}.sku", command.sku)
    uuid = command_uuid(command.command_id)
    if uuid != NIL_UUID and not is_in_window(uuid, now.at_ms):
        raise RefusedError("command_id_outside_window", f"{command.command_id} is too old, or ahead; send a new id")
    earlier = ledger.commands.get((command.command_id, command.sku))
    if earlier is None:
        return False
    if earlier.kind == REFUSAL:
        raise RefusedError(f"{type(command).__name__}_refused", f"{command.command_id} stays refused: {earlier.note}")
    if (differs := difference(command, earlier)) is not None:
        raise RefusedError(CONFLICT, differs)
    return True


def difference(command: m.SkuCommand, earlier: LedgerEntry) -> str | None:
    """Return in words what differs between what the command's id stands for and the command; None: it is the same."""
    entry = event_of(command).entry
    differing = [name for name in LedgerEntry._fields if getattr(earlier, name) != getattr(entry, name)]
    if not differing:
        return None
    stands = ", ".join(f"{name} {getattr(earlier, name)}" for name in differing)
    sent = ", ".join(f"{name} {getattr(entry, name)}" for name in differing)
    return f"{command.command_id} stands for {stands}; sent now: {sent}. Choose another id"


def refuse(command: m.SkuCommand, detail: str) -> list[Outcome]:
    """Return what refuses a command for good, and its dead letter."""
    kind = type(command).__name__
    return [
        StockCommandRefused(command.command_id, command.sku, kind, detail),
        RefusedError(f"{kind}_refused", detail),
    ]
