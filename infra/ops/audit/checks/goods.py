"""What must be true of each order's goods: fulfilment, orders and inventory agree about where each line is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.inventory.state import HoldState
from schemas.terms import CAPTURE_AT_SHIPPING
from topology.states import FulfilmentState, OrderState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from infra.ops.audit.checks.orders import Case
    from infra.ops.audit.report import Tally
    from infra.ops.audit.rows import FulfilmentRow

_WITH_GOODS: Final = frozenset({OrderState.PAID, OrderState.SHIPPED, OrderState.DELIVERED, OrderState.RETURNED})
_HOLD_OF: Final = {
    "open": HoldState.COMMITTED,
    "requested": HoldState.COMMITTED,
    "leaving": HoldState.COMMITTED,
    "withdrawing": HoldState.COMMITTED,
    "shipped": HoldState.SHIPPED,
    "returning": HoldState.SHIPPED,
}
"""Where inventory has a line's units, by where fulfilment has it; a line that is withdrawn or returned has none there."""
_OUT: Final = frozenset({"shipped", "returning", "returned"})
_LEFT: Final = frozenset({"shipped", "delivered", "lost"})
_STATES: Final = {
    OrderState.PLACED: frozenset({FulfilmentState.OPEN, FulfilmentState.PARTLY_SHIPPED}),
    OrderState.PAID: frozenset({FulfilmentState.OPEN, FulfilmentState.PARTLY_SHIPPED}),
    OrderState.SHIPPED: frozenset({FulfilmentState.SHIPPED}),
    OrderState.DELIVERED: frozenset({FulfilmentState.DELIVERED}),
    OrderState.RETURNED: frozenset({FulfilmentState.SHIPPED, FulfilmentState.DELIVERED}),
    OrderState.CANCELLED: frozenset({FulfilmentState.CANCELLED}),
}
"""Where the goods of an order can stand, by where the order stands, when nothing is under way."""


def check_goods(all_cases: Iterable[Case], fulfilments: Iterable[FulfilmentRow], tally: Tally) -> None:
    """Check every order with something to ship, where nothing is under way."""
    tally.count(fulfilments=0, lines_open=0, lines_out=0, parcels=0, returns=0)
    known: set[str] = set()
    for case in all_cases:
        known.add(case.order.order_id)
        if (row := case.fulfilment) is not None:
            tally.count(fulfilments=1, parcels=len(row.shipments), returns=len(row.returns))
        if case.at_rest:
            for wrong in _faults(case, tally):
                tally.breach(f"{case}: {wrong}")
    for row in fulfilments:
        if row.order_id not in known:
            tally.breach(f"there is a fulfilment ({row.state}) for {row.order_id}, which the orders room does not know")


def _faults(case: Case, tally: Tally) -> Iterator[str]:
    row = case.fulfilment
    if row is None:
        has_some = case.order.state in _WITH_GOODS or (
            case.order.state == OrderState.PLACED and CAPTURE_AT_SHIPPING in case.order.terms
        )
        if has_some:
            yield "nothing is known of its goods"
        yield from (
            f"line {hold.line} left the house unasked" for hold in case.holds if hold.state == HoldState.SHIPPED
        )
        return
    if row.state not in _STATES.get(OrderState(case.order.state), ()):
        yield f"its goods cannot be {row.state}"
    if row.state != FulfilmentState.CANCELLED:
        yield from _lines_astray(case, row, tally)


def _lines_astray(case: Case, row: FulfilmentRow, tally: Tally) -> Iterator[str]:
    """Return which lines stand elsewhere at inventory, or in no parcel although they left, or in two."""
    holds = {(hold.line, hold.sku): HoldState(hold.state) for hold in case.holds}
    parcels = [
        number for shipment in row.shipments.values() if shipment.get("state") in _LEFT for number in shipment["lines"]
    ]
    for name, line in row.lines.items():
        state = line.get("state", "open")
        expected, there = _HOLD_OF.get(state), holds.pop((int(name), line["sku"]), None)
        tally.count(lines_open=state == "open", lines_out=expected is HoldState.SHIPPED)
        if there is not expected:
            yield f"line {name} is {state}, inventory has it {there.name.lower() if there is not None else 'no more'}"
        if parcels.count(int(name)) != (state in _OUT):
            yield f"line {name} is {state}, and is in {parcels.count(int(name))} parcels that left"
    for (number, sku), there in holds.items():
        yield f"line {number} ({sku}) is {there.name.lower()}, and nobody is to ship it"
