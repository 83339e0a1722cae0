"""What inventory decides on commands about lines, and on the clock's. Pure; `evolve.py` carries the outcomes out.

Decisions: docs/decisions, 013, 016, 019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.inventory.decide_parking import line_has_to_wait, wait
from consumers.inventory.decide_stock import CONFLICT, UNKNOWN_SKU
from consumers.inventory.state import AVAILABLE, LIVE, QUARANTINE, HeldForCart, Hold, HoldKey, HoldState, cart_owner
from consumers.runtime.deciding.validation import require_identifier
from schemas import messages as m
from schemas.charges import find_charge_fault
from schemas.ids import is_in_window, is_order_id
from schemas.limits import MAX_HOLD_SECONDS, MAX_LINES, MAX_QUANTITY, MAX_UNIT_PRICE_MINOR
from schemas.money import CURRENCIES
from schemas.terms import TERMS
from schemas.texts import are_plain
from topology.states import ALREADY_SHIPPED, OUTSIDE_WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.inventory.state import Ledger, Outcome, Stock
    from consumers.runtime.deciding.now import Now

MAX_EXPIRIES: Final = 1_000


def place_order_line(ledger: Ledger, command: m.PlaceOrderLine, now: Now) -> list[Outcome]:
    """Reserve one order line, or reject it with the reason.

    A line that is held, or ever was, is a duplicate; one that was rejected may be asked for again, and orders gives
    back what then comes too late. What an earlier order of the same cart holds of the SKU counts as available, and goes
    to the new one: a shopper does not compete with themselves. Which order is the earlier one, its id says (RFC 9562:
    UUIDv7 sorts by time), so that all partitions agree on it in whatever order the lines reach them.
    """
    stock = ledger.stock(command.sku)
    if (wrong := _fault(command, now.at_ms)) is not None:
        return [_rejected(command, wrong, stock.available)]
    hold = ledger.holds.get((command.order_id, command.line, command.sku))
    if hold is not None:
        return _already_placed(hold, command)
    if stock.parking is not None and line_has_to_wait(stock, stock.parking):
        return wait(command.sku, stock.parking)
    if command.cart_id:
        return _place_for_cart(ledger, stock, command, now.at_ms)
    if (refusal := _refusal(ledger, stock, command)) is not None:
        return [_rejected(command, refusal, stock.available)]
    return [_reserved(command, now.at_ms)]


def release_line(ledger: Ledger, command: m.ReleaseLine, now: Now) -> list[Outcome]:
    """Give a held line back. A line that already is no longer held stays as it is."""
    hold = _hold_of(ledger, command, now.at_ms)
    if isinstance(hold, str):
        return [_refused(command, hold)]
    if hold.state is HoldState.HELD:
        return [m.LineReleased(command.order_id, command.line, command.sku, hold.quantity, command.reason)]
    if hold.state in (HoldState.COMMITTED, HoldState.SHIPPED):
        return [_refused(command, f"already_{hold.state.name.lower()}")]
    return []


def commit_line(ledger: Ledger, command: m.CommitLine, now: Now) -> list[Outcome]:
    """Allocate a held line; an expired hold takes the stock again if it is there."""
    hold = _hold_of(ledger, command, now.at_ms)
    if isinstance(hold, str):
        return [m.LineCommitFailed(command.order_id, command.line, command.sku, 0, 0, hold)]
    if hold.state in (HoldState.COMMITTED, HoldState.SHIPPED):
        return []
    stock = ledger.stock(command.sku)
    reason = _commit_fault(ledger, stock, hold, command.sku)
    if reason is None:
        return [m.LineCommitted(command.order_id, command.line, command.sku, hold.quantity)]
    return [m.LineCommitFailed(command.order_id, command.line, command.sku, hold.quantity, stock.available, reason)]


def ship_line(ledger: Ledger, command: m.ShipLine, now: Now) -> list[Outcome]:
    """Send an allocated line's units out, once; whoever asks again, or late, is refused with that reason."""
    hold = _hold_of(ledger, command, now.at_ms)
    if isinstance(hold, str):
        return [_refused(command, hold)]
    if hold.state is HoldState.COMMITTED:
        return [m.LineShipped(command.order_id, command.line, command.sku, hold.quantity)]
    return [_refused(command, ALREADY_SHIPPED if hold.state is HoldState.SHIPPED else "not_committed")]


def return_line(ledger: Ledger, command: m.ReturnLine, now: Now) -> list[Outcome]:
    """Take an allocated or shipped line's units back, once; whoever asks again, or late, is refused with that reason."""
    if command.disposition not in (AVAILABLE, QUARANTINE):
        raise RefusedError("invalid_disposition", f"{command.disposition!r}; send {AVAILABLE} or {QUARANTINE}")
    hold = _hold_of(ledger, command, now.at_ms)
    if isinstance(hold, str):
        return [_refused(command, hold)]
    if hold.state in (HoldState.COMMITTED, HoldState.SHIPPED):
        line = (command.order_id, command.line, command.sku, hold.quantity)
        return [m.LineReturned(*line, command.reason, command.disposition)]
    return [_refused(command, "already_returned" if hold.state is HoldState.RETURNED else "not_committed")]


def expire_holds(ledger: Ledger, command: m.ExpireHolds, now: Now) -> list[Outcome]:
    """End holds whose time is over, a bounded number at a time, in an order that a replay repeats."""
    limit = max(0, min(command.limit, MAX_EXPIRIES))
    due = ledger.due(min(command.as_of_ms, now.at_ms), limit)
    return [m.LineExpired(*key, ledger.holds[key].quantity) for key in due]


# --- parts of decisions -------------------------------------------------------------------------------------------------


def _already_placed(hold: Hold, command: m.PlaceOrderLine) -> list[Outcome]:
    """Answer a line that was placed before. Of what was sent then only the quantity is kept here: orders has the rest."""
    if hold.quantity != command.quantity:
        return [_refused(command, CONFLICT, f"quantity {hold.quantity} was placed, {command.quantity} sent now")]
    return [
        m.LineRepeated(
            command.order_id,
            command.line,
            command.line_count,
            command.sku,
            command.quantity,
            command.unit_price_minor,
            command.currency,
            command.customer_id,
            command.payment_token,
            command.terms,
            command.discount_minor,
            command.tax_minor,
            command.shipping_minor,
        )
    ]


def _fault(command: m.PlaceOrderLine, at_ms: int) -> str | None:
    """Return the reason to reject a readable command that makes no sense. Raises RefusedError for texts that are none."""
    in_window = _is_in_window(command.order_id, at_ms)
    texts = f" {command.sku} {command.customer_id} {command.payment_token} "
    if command.cart_id or command.reference or not are_plain(texts):
        _require_identifiers(command)
    if command.currency not in CURRENCIES:
        return "invalid_currency"
    if command.terms and command.terms not in TERMS:
        return "invalid_terms"
    return _figure_fault(command) or (None if in_window else OUTSIDE_WINDOW)


def _figure_fault(command: m.PlaceOrderLine) -> str | None:
    if not 0 < command.quantity <= MAX_QUANTITY or not command.quantity <= command.demand <= MAX_QUANTITY:
        return "invalid_quantity"
    if not 1 <= command.line <= command.line_count <= MAX_LINES:
        return "invalid_line"
    if not 0 <= command.unit_price_minor <= MAX_UNIT_PRICE_MINOR:
        return "invalid_price"
    if command.discount_minor or command.tax_minor or command.shipping_minor:
        price_minor = command.quantity * command.unit_price_minor
        if find_charge_fault(
            price_minor, command.discount_minor, command.tax_minor, command.shipping_minor, command.terms
        ):
            return "invalid_charges"
    return "invalid_hold_seconds" if command.hold_seconds <= 0 else None


def _require_identifiers(command: m.PlaceOrderLine) -> None:
    """Raise RefusedError for a text that could be taken for another, and name the character at fault."""
    for field in ("sku", "customer_id", "payment_token", "cart_id", "reference"):
        text = getattr(command, field)
        if text or field not in ("cart_id", "reference"):
            require_identifier(f"PlaceOrderLine.{field}", text)


def _is_in_window(order_id: str, at_ms: int) -> bool:
    """Tell whether the log still answers for this id: its hold is kept exactly that long. Raises RefusedError for no id."""
    if not is_order_id(order_id):
        raise RefusedError("invalid_order_id", f"{order_id!r} is no UUIDv7 in canonical form")
    return is_in_window(order_id, at_ms)


def _place_for_cart(ledger: Ledger, stock: Stock, command: m.PlaceOrderLine, at_ms: int) -> list[Outcome]:
    """Reserve a line of a cart with what earlier orders of the cart hold; it comes too late where a later order does."""
    owner = cart_owner(command.customer_id, command.cart_id)
    peers = sorted(ledger.carts.get((owner, command.sku), ()))
    replaced = [key for key in peers if key[0] < command.order_id]
    is_late = any(key[0] > command.order_id for key in peers)
    refusal = "replaced" if is_late else _refusal(ledger, stock, command, replaced)
    if refusal is not None:
        return [_rejected(command, refusal, stock.available)]
    released = [m.LineReleased(*key, ledger.holds[key].quantity, "replaced") for key in replaced]
    cart = HeldForCart(command.order_id, command.line, command.sku, owner)
    return [*released, _reserved(command, at_ms), cart]


def _refusal(ledger: Ledger, stock: Stock, command: m.PlaceOrderLine, replaced: Sequence[HoldKey] = ()) -> str | None:
    """Return why the customer may not have the units, None where they may. What is `replaced` they give back for it."""
    if stock.is_restricted and (reason := _restriction(ledger, stock, command, replaced)) is not None:
        return reason
    freed = sum(ledger.holds[key].quantity for key in replaced) if replaced else 0
    if command.demand <= stock.available + freed:
        return None
    return "insufficient_stock" if stock.is_known else UNKNOWN_SKU


def _restriction(ledger: Ledger, stock: Stock, command: m.PlaceOrderLine, replaced: Sequence[HoldKey]) -> str | None:
    """Return what stands between the customer and the units, were they there."""
    if stock.is_retired:
        return "sku_retired"
    if stock.is_suspended and (stock.parking is None or not stock.parking.is_open):  # what waits came before that
        return "sale_suspended"
    given_back = sum(ledger.holds[key].quantity for key in replaced if ledger.holds[key].buyer)
    counted = ledger.purchases.get((command.sku, command.customer_id), 0) - given_back
    return "purchase_limit" if 0 < stock.purchase_limit < counted + command.demand else None


def _commit_fault(ledger: Ledger, stock: Stock, hold: Hold, sku: str) -> str | None:
    if hold.state is HoldState.HELD:
        return None
    if hold.state is not HoldState.EXPIRED:
        return f"hold_{hold.state.name.lower()}"
    if hold.quantity > stock.available:
        return "insufficient_stock"
    if stock.is_suspended:
        return "sale_suspended"
    counted = ledger.purchases.get((sku, hold.buyer), 0) if hold.buyer else 0
    if hold.buyer and stock.purchase_limit and counted + hold.quantity > stock.purchase_limit:
        return "purchase_limit"
    return None


def _hold_of(
    ledger: Ledger, command: m.ReleaseLine | m.CommitLine | m.ShipLine | m.ReturnLine, at_ms: int
) -> Hold | str:
    """Return the hold that the command is about, or the reason why there is none. Raises RefusedError for no order id.

    What is still held or allocated is kept however old it is; of the rest, outside the window, nothing may be known.
    """
    hold = ledger.holds.get((command.order_id, command.line, command.sku))
    if hold is not None and hold.state in LIVE:
        return hold
    if not _is_in_window(command.order_id, at_ms):
        return OUTSIDE_WINDOW
    return hold or "unknown_hold"


def _reserved(command: m.PlaceOrderLine, at_ms: int) -> m.LineReserved:
    return m.LineReserved(
        command.order_id,
        command.line,
        command.line_count,
        command.sku,
        command.quantity,
        command.unit_price_minor,
        command.currency,
        command.customer_id,
        command.payment_token,
        at_ms + min(command.hold_seconds, MAX_HOLD_SECONDS) * 1000,
        command.terms,
        command.reference,
        command.discount_minor,
        command.tax_minor,
        command.shipping_minor,
    )


def _rejected(command: m.PlaceOrderLine, reason: str, available: int) -> m.LineRejected:
    return m.LineRejected(
        command.order_id,
        command.line,
        command.line_count,
        command.sku,
        command.quantity,
        command.demand,
        available,
        command.customer_id,
        reason,
        command.terms,
        command.reference,
    )


def _refused(
    command: m.PlaceOrderLine | m.ReleaseLine | m.ShipLine | m.ReturnLine, reason: str, detail: str = ""
) -> m.LineCommandRefused:
    return m.LineCommandRefused(command.order_id, command.line, command.sku, type(command).__name__, reason, detail)
