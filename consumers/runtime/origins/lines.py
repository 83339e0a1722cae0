"""What inventory's row of a line confirms: its hold, whose state only moves on. Pure.

Of a line that was rejected, released or expired nothing is confirmed: no money was asked for it yet. What was refused leaves
no row, so of a refusal it is only seen whether the hold rules it out.

Decision: docs/decisions, 036.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas import messages as m
from schemas.ids import is_in_window
from topology.states import ALREADY_SHIPPED, OUTSIDE_WINDOW

if TYPE_CHECKING:
    from consumers.runtime.origins.row import Row

HOLD_STATES: Final = ("held", "committed", "released", "expired", "returned", "shipped")
"""By the number in `holds.state`."""
_COMMITTED: Final = frozenset({"committed", "shipped", "returned"})
_SHIPPED: Final = frozenset({"shipped", "returned"})
_RULED_OUT: Final = frozenset({"committed", "shipped"})
_ASKED: Final = frozenset({m.ShipLine.__name__, m.ReturnLine.__name__})
"""What fulfilment asks for."""


def reserved(event: m.LineReserved, row: Row) -> bool:
    """Its units are held, or ever were. Price, customer and token are no part of a hold."""
    return bool(event.quantity == row["quantity"])


def committed(event: m.LineCommitted, row: Row) -> bool:
    """Its units were allocated."""
    return row["state"] in _COMMITTED and event.quantity == row["quantity"]


def commit_failed(event: m.LineCommitFailed, row: Row) -> bool:
    """Its units are not held, and were allocated at most after a hold had ended: then an earlier CommitLine may have failed.

    One without units came before there was a hold: then orders had not asked for it.
    """
    if not event.quantity:
        return bool(row["state"] is None or not row["is_committing"])
    if row["state"] in (None, "held") or event.quantity != row["quantity"]:
        return False
    return bool(row["state"] not in _RULED_OUT or row["expires_at_ms"] <= row["at_ms"])


def shipped(event: m.LineShipped, row: Row) -> bool:
    """Its units have left the house."""
    return row["state"] in _SHIPPED and event.quantity == row["quantity"]


def returned(event: m.LineReturned, row: Row) -> bool:
    """Its units are back."""
    return bool(row["state"] == "returned" and event.quantity == row["quantity"])


def refused(event: m.LineCommandRefused, row: Row) -> bool:
    """What fulfilment may have asked for is not done, nor is it still to be done.

    Where fulfilment keeps nothing of the order, nothing follows: then somebody else was refused, early.
    """
    if row["state"] not in _RULED_OUT or not row["is_fulfilled"] or event.command not in _ASKED:
        return True
    if row["state"] == "committed":
        return False
    if event.reason == OUTSIDE_WINDOW:
        return not is_in_window(event.order_id, row["at_ms"])
    return event.command == m.ShipLine.__name__ and event.reason == ALREADY_SHIPPED
