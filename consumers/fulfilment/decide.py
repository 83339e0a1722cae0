"""What a fulfilment decides: one function for each decision in `transitions.py`, parcels and returns in the files beside. Pure.

A decision returns what follows from the message itself; `conclusions` adds what its lines and parcels have then come to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.fulfilment.evolve import begins
from consumers.fulfilment.evolve_by_message import has_left
from consumers.fulfilment.refunds import refunds
from consumers.fulfilment.refusals import reference_of, refused
from consumers.fulfilment.state import BACK, IN_WAREHOUSE, OUT, UNDER_WAY, Fulfilment, LineState
from schemas import messages as m
from topology.states import OUTSIDE_WINDOW

if TYPE_CHECKING:
    from consumers.fulfilment.state import Line
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message


COMMANDS: Final = (
    m.ShipOrder,
    m.ConfirmDelivery,
    m.ReportLostParcel,
    m.RequestReturn,
    m.ApproveReturn,
    m.RefuseReturn,
    m.ReceiveReturn,
)


def respond_outside_window(fulfilment: Fulfilment, message: Message, _: Now) -> list[Message]:
    """Return what follows about an order of which nothing is to be shipped, or nothing waits, so long after its time.

    Such rows are dropped some time after the window (infra/ops/retention), so nothing may depend on whether one still is.
    Raises RefusedError for what cannot be answered then.
    """
    del fulfilment
    if isinstance(message, COMMANDS):
        return [refused(message, OUTSIDE_WINDOW)]
    begun = isinstance(message, m.OrderPaid | m.OrderPlaced) and begins(message)
    if begun or isinstance(message, m.OrderCancelRequested):
        order_id: str = message.order_id  # type: ignore[attr-defined]  # each of these has one
        raise RefusedError(OUTSIDE_WINDOW, f"{type(message).__name__} of {order_id}, of which nothing is kept any more")
    return []


# --- beginning --------------------------------------------------------------------------------------------------------


def begin(fulfilment: Fulfilment, fact: m.OrderPaid | m.OrderPlaced, _: Now) -> list[Message]:
    """Take the lines in, which `evolve` does; nothing else follows yet."""
    del fulfilment, fact
    return []


# --- what does not go out, and what comes back ----------------------------------------------------------------------------


def take_back(fulfilment: Fulfilment, fact: m.LineReturned | m.LineCommandRefused, _: Now) -> list[Message]:
    """A line is gone from the order: withdrawn if it never left, returned if it did. Its money follows, once.

    One that inventory cannot ship because it has left already is where it should be (`evolve` sees to it).
    """
    line = fulfilment.line_of(fact.line, fact.sku)
    if line is None or (isinstance(fact, m.LineCommandRefused) and not _is_answer(line, fact)):
        return []
    if line.state in IN_WAREHOUSE and not has_left(fact):
        withdrawn = m.LineWithdrawn(fact.order_id, fact.line, fact.sku, fact.reason)
        return [withdrawn, *refunds(fulfilment, (fact.line,), "line_withdrawn")]
    return refunds(fulfilment, (fact.line,), "line_returned") if line.state in OUT else []


def _is_answer(line: Line, fact: m.LineCommandRefused) -> bool:
    """Tell whether inventory refuses what we asked of it, and not what somebody else did."""
    if fact.command == m.ShipLine.__name__:
        return line.state is LineState.LEAVING
    return fact.command == m.ReturnLine.__name__ and line.state in (LineState.WITHDRAWING, LineState.RETURNING)


def cancel(fulfilment: Fulfilment, fact: m.OrderCancelRequested, now: Now) -> list[Message]:
    """End what nothing was shipped of. Between this and ShipOrder the order in the log decides."""
    if any(line.state in UNDER_WAY for line in fulfilment.lines.values()):
        return [m.OrderCommandRefused(fact.order_id, m.CancelOrder.__name__, "", "shipment_under_way")]
    if any(line.state in OUT | BACK for line in fulfilment.lines.values()):
        return refuse_cancel(fulfilment, fact, now)
    return [m.FulfilmentCancelled(fact.order_id, fact.reason, fact.requested_by)]


def refuse_cancel(fulfilment: Fulfilment, fact: m.OrderCancelRequested, _: Now) -> list[Message]:
    """Goods that left cannot be cancelled; they can be sent back."""
    del fulfilment
    return [m.OrderCommandRefused(fact.order_id, m.CancelOrder.__name__, "", "already_shipped")]


def refuse_command(fulfilment: Fulfilment, command: Message, _: Now) -> list[Message]:
    """Refuse a command where there is nothing to ship any more."""
    del fulfilment
    return [refused(command, "order_cancelled")]


def ask_orders(fulfilment: Fulfilment, command: Message, _: Now) -> list[Message]:
    """Leave a command about an order of which nothing is kept here to orders: it may be unpaid, or nobody placed it."""
    return [m.OrderCommandUnmatched(fulfilment.order_id, type(command).__name__, reference_of(command))]
