"""How an order ends without a sale, and what it decides once it is over, or on what is not its own. Pure.

Each effect is undone once, whatever comes between: a held line is released and a committed one returned as the order
ends; a line whose CommitLine is unanswered is returned when the answer comes and finds the order over. Payments and
fulfilment accept the event of how the order ended, and undo their own.

Decision: docs/decisions, 024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.orders.state import LineFact, LineState, Order
from consumers.runtime.deciding.outcomes import refuse
from schemas import messages as m
from topology.states import OrderState

if TYPE_CHECKING:
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

CANCELLED: Final = "order_cancelled"
"""Why lines go back when somebody cancels; their own reason is in OrderCancelled."""
PAYMENT_TIMEOUT: Final = "payment_timeout"
NOT_COMPLETE: Final = "not_complete_in_time"

# --- rejected: nobody asked for it ------------------------------------------------------------------------------------------


def reject_for_release(order: Order, fact: m.LineReleased, _: Now) -> list[Message]:
    """Somebody gave a line back while others were still being gathered."""
    if order.line_of(fact) is None:
        return []
    return reject(order, fact, "line_released")


def reject_incomplete(order: Order, fact: m.LineExpired, _: Now) -> list[Message]:
    """A hold ended before every line had arrived: the order was never published whole."""
    if order.line_of(fact) is None:
        return []
    return reject(order, fact, "incomplete")


def reject_overdue(order: Order, command: m.EndWaits, _: Now) -> list[Message]:
    """Lines never came, and of those that did none is held whose end would be the order's."""
    del command
    return [m.OrderRejected(order.order_id, NOT_COMPLETE), *_undo(order, None, NOT_COMPLETE)]


def reject_for_early_commit(order: Order, fact: m.LineCommitted, _: Now) -> list[Message]:
    """A line was committed before anyone had paid."""
    return [*reject(order, fact, "committed_unasked"), _return(fact, "committed_unasked")]


def reject_for_payment(order: Order, fact: m.PaymentDeclined, _: Now) -> list[Message]:
    """No money: give everything back."""
    return reject(order, fact, PAYMENT_TIMEOUT if fact.reason == PAYMENT_TIMEOUT else "payment_declined")


def reject_for_commit(order: Order, fact: m.LineCommitFailed, _: Now) -> list[Message]:
    """A line could not be committed: its hold had ended and the stock is gone."""
    if order.own_line_of(fact) is None:
        return []
    return reject(order, fact, fact.reason)


def reject_for_return(order: Order, fact: m.LineReturned, _: Now) -> list[Message]:
    """Somebody took a committed line away before the order was placed."""
    if order.own_line_of(fact) is None:
        return []
    return reject(order, fact, "line_returned")


# --- cancelled --------------------------------------------------------------------------------------------------------------


def cancel(order: Order, command: m.CancelOrder, _: Now) -> list[Message]:
    """End an order of which fulfilment has nothing; one that is not known yet ends before its lines are decided."""
    cancelled = m.OrderCancelled(command.order_id, command.reason, command.requested_by)
    return [cancelled, *_undo(order, command, CANCELLED)]


def cancel_placed(order: Order, command: m.CancelOrder, now: Now) -> list[Message]:
    """End a placed order; under capture_at_shipping fulfilment has it already."""
    return ask_fulfilment(order, command, now) if order.captures_at_shipping else cancel(order, command, now)


def ask_fulfilment(order: Order, command: m.CancelOrder, _: Now) -> list[Message]:
    """Whether anything has left the house, only fulfilment knows: it answers FulfilmentCancelled, or refuses."""
    del order
    return [m.OrderCancelRequested(command.order_id, command.requested_by, command.reason)]


def cancel_for_fulfilment(order: Order, fact: m.FulfilmentCancelled, now: Now) -> list[Message]:
    """Nothing will leave the house: the order ends, its goods go back."""
    if order.state is OrderState.PLACED and not order.captures_at_shipping:
        return refuse(order, fact, now)
    return [m.OrderCancelled(fact.order_id, fact.reason, fact.requested_by), *_undo(order, fact, CANCELLED)]


def cancel_for_return(order: Order, fact: m.LineReturned, _: Now) -> list[Message]:
    """Somebody took a line of a placed order away: it ends, unless fulfilment has it, which then withdraws the line."""
    line = order.own_line_of(fact)
    if order.captures_at_shipping or line is None or line.state is not LineState.COMMITTED:
        return []
    return [m.OrderCancelled(fact.order_id, "line_returned"), *_undo(order, fact, "line_returned")]


def cancel_for_capture(order: Order, fact: m.PaymentCaptureFailed, _: Now) -> list[Message]:
    """The authorised money could not be taken: the placed order ends, its goods go back.

    Where it could not be taken for a shipment, that is fulfilment's business.
    """
    if fact.reference:
        return []
    return [m.OrderCancelled(fact.order_id, "capture_failed"), *_undo(order, fact, "capture_failed")]


# --- after the end, and beside the order ------------------------------------------------------------------------------------


def refuse_command(order: Order, command: m.CancelOrder, _: Now) -> list[Message]:
    """Refuse to cancel an order that is over or shipped, with the reason."""
    return [refused(command, "order_over" if order.state is OrderState.REJECTED else "already_shipped")]


def ignore_repeat(order: Order, command: m.CancelOrder, _: Now) -> list[Message]:
    """The order is cancelled already."""
    del order, command
    return []


def release_late(order: Order, fact: m.LineReserved, _: Now) -> list[Message]:
    """The order is over, yet a line was reserved for it: give it back. Its echo finds the line given back already."""
    line = order.line_of(fact)
    if line is None or line.state is LineState.REJECTED:
        return [release(fact, "order_over")]
    return []


def release_conflicting(order: Order, fact: m.LineReserved, _: Now) -> list[Message]:
    """Every line is answered already: this is an echo, unless the order goes on without it; then its hold goes back."""
    line = order.line_of(fact)
    if line is None:
        return [release(fact, "conflicting_line")]
    return [release(fact, "line_left_out")] if line.state is LineState.REJECTED else []


def return_late(order: Order, fact: m.LineCommitted, _: Now) -> list[Message]:
    """The order is over, yet a line was committed for it: give it back, once."""
    line = order.line_of(fact)
    if line is None or line.state not in _GOING_BACK:
        return [_return(fact, "order_over")]
    return []


def return_conflicting(order: Order, fact: m.LineCommitted, _: Now) -> list[Message]:
    """Nobody asked for this commit: a line of the order keeps it, what the order goes on without is given back, once."""
    line = order.line_of(fact)
    if line is None:
        return [_return(fact, "conflicting_line")]
    return [_return(fact, "line_left_out")] if line.left_out and line.state not in _GOING_BACK else []


# --- parts of decisions -------------------------------------------------------------------------------------------------------


def reject(order: Order, fact: LineFact | m.PaymentDeclined, reason: str, detail: str = "") -> list[Message]:
    """End the order and give back all that it has."""
    return [m.OrderRejected(fact.order_id, reason, detail), *_undo(order, fact, reason)]


def release(fact: m.LineReserved, reason: str) -> m.ReleaseLine:
    """Give back the hold that the fact reports."""
    return m.ReleaseLine(fact.order_id, fact.line, fact.sku, reason)


def refused(command: m.CancelOrder, reason: str) -> m.OrderCommandRefused:
    """Return the event that a command changes nothing, and why."""
    return m.OrderCommandRefused(command.order_id, type(command).__name__, "", reason)


def _return(fact: m.LineCommitted, reason: str) -> m.ReturnLine:
    return m.ReturnLine(fact.order_id, fact.line, fact.sku, reason)


def _undo(order: Order, message: Message | None, reason: str) -> list[Message]:
    """Give back all that the order has, except the line whose end the message itself reports.

    Lines whose CommitLine is unanswered are not touched: the answer comes, and finds the order over.
    """
    order_id = order.order_id
    ended = order.line_of(message) if isinstance(message, _ENDS_A_HOLD) else None
    back: list[Message] = [
        m.ReturnLine(order_id, number, line.sku, reason)
        for number, line in order.lines_in(LineState.COMMITTED)
        if line is not ended
    ]
    if order.state is not OrderState.COMMITTING:
        back += [
            m.ReleaseLine(order_id, number, line.sku, reason)
            for number, line in order.lines_in(LineState.RESERVED)
            if line is not ended
        ]
    return back


_ENDS_A_HOLD: Final = (m.LineReleased, m.LineExpired, m.LineCommitted, m.LineReturned)
"""Not LineRejected and LineCommitFailed: where their line is held, they answer a faulty duplicate, or are echoes of a
command that came before the hold."""
_GOING_BACK: Final = (LineState.RETURNING, LineState.RETURNED)
