"""What inventory decides on each command: the only table. The state of a hold or a SKU is looked up by the decision itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.inventory.decide import commit_line, expire_holds, place_order_line, release_line, return_line, ship_line
from consumers.inventory.decide_parking import end_release, park_sku, parkable, release_parked
from consumers.inventory.decide_stock import (
    adjust_stock,
    clear_quarantine,
    receive_stock,
    resume_sale,
    retire_sku,
    set_purchase_limit,
    suspend_sale,
)
from consumers.runtime.deciding.transitions import decisions
from schemas import messages as m

if TYPE_CHECKING:
    from consumers.inventory.state import Ledger, Outcome
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

ROOM: Final = "inventory"

TRANSITIONS: Final = decisions(
    ROOM,
    {
        m.PlaceOrderLine: place_order_line,
        m.ReleaseLine: release_line,
        m.CommitLine: commit_line,
        m.ShipLine: ship_line,
        m.ReturnLine: return_line,
        m.ExpireHolds: expire_holds,
        m.ReceiveStock: parkable(receive_stock),
        m.AdjustStock: parkable(adjust_stock),
        m.ClearQuarantine: parkable(clear_quarantine),
        m.SetPurchaseLimit: parkable(set_purchase_limit),
        m.SuspendSale: suspend_sale,
        m.ResumeSale: resume_sale,
        m.RetireSku: parkable(retire_sku),
        m.ParkSku: park_sku,
        m.ReleaseParked: release_parked,
        m.EndRelease: end_release,
    },
)


def decide(ledger: Ledger, message: Message, now: Now) -> list[Outcome]:
    """Return the command's outcomes; the ledger stays as it is. Raises RefusedError for a malformed command."""
    return TRANSITIONS[type(message)](ledger, message, now)
