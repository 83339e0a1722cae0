"""How an order advances: one function for each decision in `transitions.py`. Pure; how an order ends is in `termination.py`.

`evolve` records the message after the decision, so a decision looks at the order as it was before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.orders.state import LineState, Order, ships_available
from consumers.orders.termination import refused, reject, release, return_conflicting
from consumers.runtime.deciding.outcomes import refuse
from schemas import messages as m
from topology.states import OUTSIDE_WINDOW, OrderState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consumers.orders.state import Line
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

NOT_TO_BE_HAD: Final = frozenset(
    {"insufficient_stock", "unknown_sku", "purchase_limit", "sale_suspended", "sku_retired"}
)
"""Why a line is rejected though nothing is wrong with it: under ship_available the order goes on with the others."""


CONFLICT: Final = "conflicting_duplicate"
INCONSISTENT: Final = "inconsistent_header"


def respond_outside_window(order: Order, message: Message, _: Now) -> list[Message]:
    """Return what follows from a message about an order that is closed, or not known, so long after its time.

    Closed orders are dropped some time after the window (infra/ops/retention), so what comes later about one is answered as
    for one that was never known: at most it is refused. Raises RefusedError for a fact from which something would follow.
    """
    del order
    if isinstance(message, m.CancelOrder):
        return [refused(message, OUTSIDE_WINDOW)]
    if isinstance(message, m.OrderCommandUnmatched):
        return [m.OrderCommandRefused(message.order_id, message.command, message.reference, OUTSIDE_WINDOW)]
    if isinstance(message, m.LineReserved | m.LineCommitted | m.PaymentCaptured | m.FulfilmentCancelled):
        raise RefusedError(
            OUTSIDE_WINDOW, f"{type(message).__name__} of {message.order_id}, of which nothing is kept any more"
        )
    return []


# --- gathering ------------------------------------------------------------------------------------------------------------


def gather_line(order: Order, fact: m.LineReserved, _: Now) -> list[Message]:
    """Take in a reserved line; with the last one the order is reserved and its payment may begin."""
    known = order.lines.get(fact.line)
    if known is not None and known.sku != fact.sku:
        return [release(fact, "conflicting_line")]
    if known is not None and known.state is not LineState.REJECTED:
        return []
    if order.lines and (detail := "; ".join(order.header_differences(fact))):
        return [*reject(order, fact, INCONSISTENT, detail), release(fact, INCONSISTENT)]
    if len(order.lines) + (known is None) < fact.line_count:
        return []
    held = [line for _, line in order.lines_in(LineState.RESERVED)]
    own_minor = fact.quantity * fact.unit_price_minor - fact.discount_minor + fact.tax_minor
    amount_minor = _price(held) + own_minor + fact.shipping_minor
    header = (fact.currency, fact.customer_id, fact.payment_token)
    return [m.OrderReserved(fact.order_id, len(held) + 1, amount_minor, *header)]


def gather_rejection(order: Order, fact: m.LineRejected, _: Now) -> list[Message]:
    """Take in that a line is not to be had: usually the order is not to be had then, and gives the others back.

    Under ship_available it goes on with the others, if there are any when all lines are answered.
    """
    if not ships_available(fact.terms) or fact.reason not in NOT_TO_BE_HAD:
        return reject(order, fact, fact.reason)
    if order.lines and (detail := "; ".join(order.header_differences(fact))):
        return reject(order, fact, INCONSISTENT, detail)
    if fact.line in order.lines or len(order.lines) + 1 < fact.line_count:
        return []
    held = [line for _, line in order.lines_in(LineState.RESERVED)]
    if not held:
        return reject(order, fact, fact.reason)
    header = (order.currency, order.customer_id, order.payment_token)
    return [m.OrderReserved(fact.order_id, len(held), _price(held) + order.shipping_minor, *header)]


def compare_repeated(order: Order, fact: m.LineRepeated, _: Now) -> list[Message]:
    """Refuse a line that was sent again with another price or header; one with the same is harmless.

    What counts: price, charges, currency, customer, payment token and terms (quantity, at inventory). Not the number of lines under
    ship_available, which becomes that of the lines that could be had; nor hold_seconds, cart_id, demand and reference.
    Of a line that the order goes on without only the price is kept: its header may have been another from the first.
    """
    line = order.line_of(fact)
    if line is None:
        return []
    differences = [] if line.left_out else order.header_differences(fact)
    if line.state is not LineState.REJECTED:
        differences += [
            f"{name} {placed} was placed, {sent} sent now"
            for name in _PRICE
            if (placed := getattr(line, name)) != (sent := getattr(fact, name))
        ]
    if not differences:
        return []
    reference, detail = f"line:{fact.line}", "; ".join(differences)
    return [m.OrderCommandRefused(fact.order_id, m.PlaceOrderLine.__name__, reference, CONFLICT, detail)]


_PRICE: Final = ("unit_price_minor", "discount_minor", "tax_minor")


def _price(lines: Iterable[Line]) -> int:
    return sum(line.amount_minor for line in lines)


# --- committing -----------------------------------------------------------------------------------------------------------


def commit_lines(order: Order, fact: m.PaymentAuthorized, _: Now) -> list[Message]:
    """Ask inventory to commit every line now that the money is held."""
    commits = [
        m.CommitLine(fact.order_id, number, line.sku)
        for number, line in order.own_lines()
        if line.state is not LineState.COMMITTED
    ]
    return [*commits] if commits else [_placed(order, fact.order_id)]


def gather_commit(order: Order, fact: m.LineCommitted, now: Now) -> list[Message]:
    """Take in a committed line; with the last one the order is placed."""
    line = order.own_line_of(fact)
    if line is None:
        return return_conflicting(order, fact, now)
    if line.state is LineState.COMMITTED:
        return []
    committed = sum(each.state is LineState.COMMITTED for each in order.lines.values()) + 1
    return [_placed(order, fact.order_id)] if committed == order.line_count else []


def _placed(order: Order, order_id: str) -> m.OrderPlaced:
    lines = _ordered_lines(order) if order.captures_at_shipping else ()
    return m.OrderPlaced(order_id, order.amount_minor, order.currency, order.terms, lines)


def _ordered_lines(order: Order) -> tuple[m.OrderedLine, ...]:
    return tuple(
        m.OrderedLine(number, line.sku, line.quantity, line.unit_price_minor, line.discount_minor, line.tax_minor)
        for number, line in order.own_lines()
    )


# --- selling --------------------------------------------------------------------------------------------------------------


def pay(order: Order, fact: m.PaymentCaptured, _: Now) -> list[Message]:
    """The money is in: the order is paid. Where it is captured for a shipment, that is fulfilment's business."""
    if fact.reference:
        return []
    return [m.OrderPaid(fact.order_id, order.amount_minor, order.currency, _ordered_lines(order))]


def ship(order: Order, fact: m.OrderShipped, now: Now) -> list[Message]:
    """Nothing is left in the house of an order that fulfilment has."""
    if order.state is OrderState.PLACED and not order.captures_at_shipping:
        return refuse(order, fact, now)
    return []


# --- for rooms that keep nothing of the order -----------------------------------------------------------------------------


def refuse_unmatched(order: Order, fact: m.OrderCommandUnmatched, _: Now) -> list[Message]:
    """Refuse, with what is known here, a command about an order of which the room that would obey it keeps nothing."""
    reason = _UNMATCHED.get(order.state, "not_paid")
    return [m.OrderCommandRefused(fact.order_id, fact.command, fact.reference, reason)]


_UNMATCHED: Final[Mapping[OrderState, str]] = {
    OrderState.UNKNOWN: "unknown_order",
    OrderState.REJECTED: "order_over",
    OrderState.CANCELLED: "order_cancelled",
}
"""In all other states its money or its goods are still on their way there."""
