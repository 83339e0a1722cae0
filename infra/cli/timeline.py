"""An order's timeline in words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumers.views.timeline import OrderView, TimelineEvent
from schemas.errors import MoneyError
from schemas.money import format_minor
from topology.states import OrderState

WORDS: Final = {
    "LineReserved": "line {line} of {line_count}: {quantity} x {sku} at {price}, held until {until}",
    "LineRejected": "line {line} of {line_count}: {quantity} x {sku} refused, {demand} wanted and {available} there",
    "LineReleased": "line {line}: {quantity} x {sku} given back",
    "LineExpired": "line {line}: {quantity} x {sku} not held any longer",
    "LineCommitted": "line {line}: {quantity} x {sku} allocated",
    "LineCommitFailed": "line {line}: {quantity} x {sku} not to be had any more, {available} there",
    "LineReturned": "line {line}: {quantity} x {sku} back in stock, {disposition}",
    "LineShipped": "line {line}: {quantity} x {sku} out of the house",
    "LineCommandRefused": "{command} for line {line} ({sku}) made no sense",
    "OrderReserved": "every line is held, {amount} to pay",
    "OrderRejected": "the order ends without a sale",
    "OrderPlaced": "every line is allocated, {amount} to take",
    "OrderPaid": "{amount} is in, the order can go out",
    "OrderCancelled": "the order ends without a sale, its goods go back",
    "PaymentAuthorized": "{amount} is set aside",
    "PaymentDeclined": "the card was declined",
    "PaymentCaptured": "{amount} is taken",
    "PaymentCaptureFailed": "the money could not be taken",
    "PaymentVoided": "what was set aside is free again",
    "PaymentVoidFailed": "what was set aside could not be freed; a person has to look",
}

_STYLES: Final = {
    OrderState.PAID: "bold green",
    OrderState.REJECTED: "bold red",
    OrderState.CANCELLED: "bold red",
}


def told(event: TimelineEvent, currency: str) -> str:
    """Say in a sentence what happened."""
    words = WORDS.get(event.type)
    return (
        words.format_map(_facts(event.data, currency))
        if words
        else ", ".join(f"{k}={v}" for k, v in event.data.items())
    )


def timeline(view: OrderView) -> RenderableType:
    """Return an order as a page: where it stands, then what happened."""
    head = Text.assemble("Order ", (view.order_id, "bold"), " is ", (view.state.value, _STYLES.get(view.state, "bold")))
    if view.reason:
        head.append(f" ({view.reason})")
    facts = [f"{view.line_count} {'line' if view.line_count == 1 else 'lines'}", f"customer {view.customer_id}"]
    if view.amount_minor:
        facts.append(_money(view.amount_minor, view.currency))
    facts += [f"payment {view.payment.value}", f"since {moment(view.events[0].at_ms)[:16]} UTC"]
    table = Table("time", "event", "what happened", "reason", box=None, pad_edge=False, header_style="bold")
    for column in (0, 1):
        table.columns[column].no_wrap = True
    days = {moment(event.at_ms)[:10] for event in view.events}
    for at, *cells in rows(view.events, view.currency):
        table.add_row(*map(Text, (at if len(days) > 1 else at[11:], *cells)))
    return Group(head, Text(", ".join(facts)), Text(), table)


def rows(events: Iterable[TimelineEvent], currency: str) -> list[tuple[str, str, str, str]]:
    """Return time, event, what happened and reason of each event."""
    return [(moment(it.at_ms), it.type, told(it, currency), str(it.data.get("reason", ""))) for it in events]


def moment(at_ms: int) -> str:
    """Return a moment (ms since the epoch) as UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _facts(data: dict[str, Any], currency: str) -> dict[str, Any]:
    facts = dict(data)
    if "unit_price_minor" in data:
        facts["price"] = _money(data["unit_price_minor"], data.get("currency", currency))
    if "amount_minor" in data:
        facts["amount"] = _money(data["amount_minor"], data.get("currency", currency))
    if "expires_at_ms" in data:
        facts["until"] = moment(data["expires_at_ms"])[11:19]
    return facts


def _money(amount_minor: int, currency: str) -> str:
    try:
        return format_minor(amount_minor, currency)
    except MoneyError:  # an order of which only refused lines were heard has no currency
        return f"{amount_minor} minor units"
