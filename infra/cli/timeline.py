"""An order's timeline in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from rich.text import Text

from consumers.views.timeline import OrderView
from infra.base.spans import moment
from infra.cli.tables import NO_BREAK, paragraph, table
from infra.ops.order_words import amount, rows
from topology.states import FulfilmentState, OrderState, PaymentState

_TOGETHER: Final = re.compile(r"(?<=\b[A-Z]{3}) (?=-?\d)|(?<=\d) (?=x )|(?<=\d x) ")
_STYLES: Final = {
    OrderState.PAID: "bold green",
    OrderState.SHIPPED: "bold green",
    OrderState.DELIVERED: "bold green",
    OrderState.REJECTED: "bold red",
    OrderState.CANCELLED: "bold red",
}


def timeline(view: OrderView, width: int) -> Iterator[Text]:
    """Yield an order as lines: where it stands, which way it went there, then what happened."""
    head = Text.assemble("Order ", (view.order_id, "bold"), " is ", (view.state.value, _STYLES.get(view.state, "bold")))
    if view.reason:
        head.append(f" ({view.reason})")
    yield head
    yield Text(paragraph(", ".join(_summary(view)), width).replace(NO_BREAK, " "))
    yield Text()
    yield from _path(view, width)
    yield Text()
    days = {moment(event.at_ms)[:10] for event in view.events}
    cells = [
        (at if len(days) > 1 else at[11:], name, unbroken(f"{what} ({reason})" if reason else what))
        for at, name, what, reason in rows(view.events, view.currency)
    ]
    yield from table(("time", "event", "what happened"), cells, width=width)


def unbroken(sentence: str) -> str:
    """Return a sentence whose amounts and quantities stay together when it wraps: GBP 12.95, 2 x MUG."""
    return _TOGETHER.sub(NO_BREAK, sentence)


def _summary(view: OrderView) -> Iterator[str]:
    """Yield what is known of an order, and nothing about the rest."""
    if view.line_count:
        yield f"{view.line_count}{NO_BREAK}{'line' if view.line_count == 1 else 'lines'}"
    if view.customer_id:
        yield f"customer{NO_BREAK}{view.customer_id}"
    if view.amount_minor:
        yield unbroken(amount(view.amount_minor, view.currency))
    if view.payment is not PaymentState.NONE:
        yield f"payment {view.payment.value}"
    yield from _moved(view)
    if view.fulfilment is not FulfilmentState.NONE:
        yield f"fulfilment {view.fulfilment.value}"
    yield from (f"return {name} {state.value}" for name, state in view.returns.items())
    yield f"since {moment(view.events[0].at_ms)[:16]} UTC".replace(" ", NO_BREAK)


def _moved(view: OrderView) -> Iterator[str]:
    """Yield what of the money is not there any more."""
    money = view.money
    gone = {"refunded": money.refunded_minor, "disputed": money.disputed_minor, "lost": money.lost_minor}
    yield from (unbroken(f"{name} {amount(minor, view.currency)}") for name, minor in gone.items() if minor)


def _path(view: OrderView, width: int) -> Iterator[Text]:
    """Draw which way the order went through its states, a line for each axis, with the time from step to step."""
    drawn = []
    for axis in dict.fromkeys(step.axis for step in view.path):
        steps = [step for step in view.path if step.axis == axis]
        ways = [
            f"\u2500{_span(step.at_ms - before.at_ms)}\u2192{NO_BREAK}{step.state}" for before, step in pairwise(steps)
        ]
        drawn.append((axis, " ".join([steps[0].state, *ways])))
    return table(("", ""), drawn, width=width)


def _span(ms: int) -> str:
    """Return a span of time in the largest unit that leaves a figure of 1 or more."""
    for unit, name in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")):
        if ms >= unit:
            return f"{ms / unit:.1f}{NO_BREAK}{name}"
    return f"{ms}{NO_BREAK}ms"
