"""What inventory decides on parking a SKU, and on what comes for it meanwhile. Pure.

Decision: docs/decisions, 051.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from consumers.errors import RefusedError
from consumers.inventory.decide_stock import UNKNOWN_SKU, event_of, is_repeat, refuse
from consumers.inventory.parking import PARKED, place_in_words
from consumers.inventory.state import RecordParked

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.inventory.parking import Parking
    from consumers.inventory.state import Ledger, Outcome, Stock
    from consumers.runtime.deciding.now import Now
    from schemas import messages as m

NOT_PARKED: Final = "it is not parked"


def park_sku(ledger: Ledger, command: m.ParkSku, now: Now) -> list[Outcome]:
    """Park a SKU, or have its next dead letter park it. One that is armed can be parked at once, or armed again."""
    if is_repeat(ledger, command, now):
        return []
    stock = ledger.stock(command.sku)
    if not stock.is_known:
        return refuse(command, f"{UNKNOWN_SKU}: no stock of it ever came in")
    parking = stock.parking
    if parking is not None and (parking.is_open or not parking.is_armed):
        return refuse(command, f"it is parked by {parking.by} already")
    return [event_of(command)]


def release_parked(ledger: Ledger, command: m.ReleaseParked, now: Now) -> list[Outcome]:
    """Begin to let through what waits, if exactly as many were let through before as the sender knows of."""
    if is_repeat(ledger, command, now):
        return []
    parking = ledger.stock(command.sku).parking
    if parking is None or parking.by != command.parked_by:
        return refuse(command, NOT_PARKED if parking is None else f"it is parked by {parking.by}")
    if parking.is_open or parking.released != command.released or command.count > parking.waiting:
        return refuse(command, f"{parking.released} of {parking.counted} records were let through before")
    return [event_of(command)]


def end_release(ledger: Ledger, command: m.EndRelease, now: Now) -> list[Outcome]:
    """End what was begun; refused where nothing was."""
    if is_repeat(ledger, command, now):
        return []
    parking = ledger.stock(command.sku).parking
    if parking is None or parking.by != command.parked_by or not parking.is_open:
        return refuse(command, NOT_PARKED if parking is None else "nothing is let through")
    return [event_of(command)]


def line_has_to_wait(stock: Stock, parking: Parking) -> bool:
    """Tell whether a new line of a parked SKU waits; off sale it is rejected, as anywhere."""
    return parking.holds_back and not stock.is_suspended


def wait(sku: str, parking: Parking) -> list[Outcome]:
    """Count a record that has to wait; its dead letter has its number."""
    return [RecordParked(sku), RefusedError(PARKED, place_in_words(parking))]


def parkable(decide: Callable[[Ledger, Any, Now], list[Outcome]]) -> Callable[[Ledger, Any, Now], list[Outcome]]:
    """Have a command about a SKU wait while that is parked, unless it was decided before. Raises RefusedError as `decide` does."""

    @wraps(decide)
    def decide_or_wait(ledger: Ledger, command: m.SkuCommand, now: Now) -> list[Outcome]:
        outcomes = decide(ledger, command, now)
        parking = ledger.stock(command.sku).parking
        return wait(command.sku, parking) if parking is not None and parking.holds_back and outcomes else outcomes

    return decide_or_wait
