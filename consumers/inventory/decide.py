"""What inventory answers to each command: pure decisions, and how their outcomes change the ledger.

Sources: DESIGN, 2-4 (keys, the saga's reserve and commit steps, expiry by logged commands).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.inventory.ledger import Hold, HoldState, StockReceived
from schemas import messages as m
from schemas.ids import is_order_id
from schemas.limits import MAX_HOLD_SECONDS, MAX_LINES, MAX_QUANTITY, MAX_TEXT, MAX_UNIT_PRICE_MINOR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.inventory.ledger import Ledger, Outcome
    from schemas.messages import Message

MAX_EXPIRIES: Final = 1_000


def decide(ledger: Ledger, message: Message, at_ms: int) -> list[Outcome]:
    """Return the command's outcomes; the ledger stays as it is. Raises RefusedError for a malformed command."""
    return _DECISIONS[type(message)](ledger, message, at_ms)


def place_order_line(ledger: Ledger, command: m.PlaceOrderLine, at_ms: int) -> list[Outcome]:
    """Reserve one order line, or say why not. `at_ms` is the record's append time (ms since the epoch, UTC).

    A line that is held, or ever was, is a duplicate; one that was rejected may be asked for again, and orders gives
    back what then comes too late.
    """
    available = ledger.stock(command.sku).available
    if (wrong := _fault(command)) is not None:
        return [_rejected(command, wrong, available)]
    hold = ledger.holds.get((command.order_id, command.line, command.sku))
    if hold is not None:
        return _already_placed(hold, command)
    if command.demand > available:
        return [_rejected(command, "insufficient_stock", available)]
    hold_seconds = min(command.hold_seconds, MAX_HOLD_SECONDS)
    return [
        m.LineReserved(
            command.order_id,
            command.line,
            command.line_count,
            command.sku,
            command.quantity,
            command.unit_price_minor,
            command.currency,
            command.customer_id,
            command.payment_token,
            at_ms + hold_seconds * 1000,
        )
    ]


def release_line(ledger: Ledger, command: m.ReleaseLine, at_ms: int) -> list[Outcome]:
    """Give a held line back. A line that already is no longer held stays as it is."""
    del at_ms
    hold = _hold_of(ledger, command)
    if hold is None:
        return [_refused(command, "unknown_hold")]
    if hold.state is HoldState.HELD:
        return [m.LineReleased(command.order_id, command.line, command.sku, hold.quantity, command.reason)]
    if hold.state is HoldState.COMMITTED:
        return [_refused(command, "already_committed")]
    return []


def commit_line(ledger: Ledger, command: m.CommitLine, at_ms: int) -> list[Outcome]:
    """Allocate a held line; an expired hold takes the stock again if it is there (DESIGN, 3)."""
    del at_ms
    hold = _hold_of(ledger, command)
    if hold is None:
        return [m.LineCommitFailed(command.order_id, command.line, command.sku, 0, 0, "unknown_hold")]
    if hold.state is HoldState.COMMITTED:
        return []
    available = ledger.stock(command.sku).available
    retakes = hold.state is HoldState.EXPIRED and hold.quantity <= available
    if hold.state is HoldState.HELD or retakes:
        return [m.LineCommitted(command.order_id, command.line, command.sku, hold.quantity)]
    reason = "insufficient_stock" if hold.state is HoldState.EXPIRED else f"hold_{hold.state.name.lower()}"
    return [m.LineCommitFailed(command.order_id, command.line, command.sku, hold.quantity, available, reason)]


def return_line(ledger: Ledger, command: m.ReturnLine, at_ms: int) -> list[Outcome]:
    """Make an allocated line's units available again, once."""
    del at_ms
    hold = _hold_of(ledger, command)
    if hold is None:
        return [_refused(command, "unknown_hold")]
    if hold.state is HoldState.COMMITTED:
        return [m.LineReturned(command.order_id, command.line, command.sku, hold.quantity, command.reason)]
    if hold.state is HoldState.RETURNED:
        return []
    return [_refused(command, "not_committed")]


def receive_stock(ledger: Ledger, command: m.ReceiveStock, at_ms: int) -> list[Outcome]:
    """Add received units, once per command id and SKU (another SKU may have another owner)."""
    del at_ms
    _require_text(command.command_id, command.sku)
    if not 0 < command.quantity <= MAX_QUANTITY:
        raise RefusedError("invalid_quantity", f"{command.quantity} units received; send 1 to {MAX_QUANTITY}")
    if (command.command_id, command.sku) in ledger.commands:
        return []
    return [StockReceived(command.command_id, command.sku, command.quantity)]


def expire_holds(ledger: Ledger, command: m.ExpireHolds, at_ms: int) -> list[Outcome]:
    """End holds whose time is over, a bounded number at a time, in an order that a replay repeats."""
    limit = max(0, min(command.limit, MAX_EXPIRIES))
    due = ledger.due(min(command.as_of_ms, at_ms), limit)
    return [m.LineExpired(*key, ledger.holds[key].quantity) for key in due]


def _already_placed(hold: Hold, command: m.PlaceOrderLine) -> list[Outcome]:
    if hold.quantity == command.quantity:
        return []
    return [_refused(command, "conflicting_duplicate")]


def _fault(command: m.PlaceOrderLine) -> str | None:
    """Return the reason to reject a readable command whose figures make no sense. Raises RefusedError for bad text."""
    if not is_order_id(command.order_id):
        raise RefusedError("invalid_order_id", f"{command.order_id!r} is no UUIDv7 in canonical form")
    _require_text(command.sku, command.currency, command.customer_id, command.payment_token)
    if not 0 < command.quantity <= MAX_QUANTITY or not command.quantity <= command.demand <= MAX_QUANTITY:
        return "invalid_quantity"
    if not 1 <= command.line <= command.line_count <= MAX_LINES:
        return "invalid_line"
    if not 0 <= command.unit_price_minor <= MAX_UNIT_PRICE_MINOR:
        return "invalid_price"
    if command.hold_seconds <= 0:
        return "invalid_hold_seconds"
    return None


def _require_text(*texts: str) -> None:
    for text in texts:
        if not text or len(text) > MAX_TEXT or not text.isprintable():
            raise RefusedError("invalid_text", f"{text[:MAX_TEXT]!r}: send 1 to {MAX_TEXT} printable characters")


def _hold_of(ledger: Ledger, command: m.ReleaseLine | m.CommitLine | m.ReturnLine) -> Hold | None:
    if not is_order_id(command.order_id):
        raise RefusedError("invalid_order_id", f"{command.order_id!r} is no UUIDv7 in canonical form")
    return ledger.holds.get((command.order_id, command.line, command.sku))


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
    )


def _refused(
    command: m.PlaceOrderLine | m.ReleaseLine | m.CommitLine | m.ReturnLine, reason: str
) -> m.LineCommandRefused:
    return m.LineCommandRefused(command.order_id, command.line, command.sku, type(command).__name__, reason)


_DECISIONS: Final[Mapping[type, Callable[..., list[Outcome]]]] = {
    m.PlaceOrderLine: place_order_line,
    m.ReleaseLine: release_line,
    m.CommitLine: commit_line,
    m.ReturnLine: return_line,
    m.ReceiveStock: receive_stock,
    m.ExpireHolds: expire_holds,
}
