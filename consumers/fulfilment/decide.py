"""What a fulfilment answers to each message: one function for each answer named in `topology/fulfilment_answers.py`. Pure.

An answer says what follows from the message itself; `conclusions` adds what its lines and parcels have then come to.
Parcels are in `parcels.py`, returns in `returns.py`, what follows from time in `waits.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.errors import RefusedError
from consumers.fulfilment.conclusions import conclusions
from consumers.fulfilment.evolve import begins, evolve, has_left
from consumers.fulfilment.fulfilment import (
    BACK,
    IN_THE_HOUSE,
    OUT,
    UNDER_WAY,
    Fulfilment,
    LineState,
)
from consumers.fulfilment.parcels import PARCEL_ANSWERS
from consumers.fulfilment.refunds import refund
from consumers.fulfilment.refusals import refused
from consumers.fulfilment.returns import RETURN_ANSWERS
from consumers.fulfilment.waits import end_waits
from consumers.text import require_order_id, require_text
from schemas import messages as m
from schemas.ids import is_in_window
from schemas.limits import SETTLING_MS
from topology.fulfilment_answers import FULFILMENT_ANSWERS
from topology.states import OUTSIDE_WINDOW, FulfilmentState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.fulfilment.fulfilment import Deadlines, Line
    from schemas.messages import Message


def decide(fulfilment: Fulfilment, message: Message, at_ms: int, deadlines: Deadlines) -> list[Message]:
    """Return what follows from the message. Raises RefusedError for a malformed one, and where the saga knows no such turn.

    `at_ms` is the record's append time (ms since the epoch, UTC).
    """
    answer = FULFILMENT_ANSWERS[fulfilment.state][type(message)]
    outcomes = ANSWERS[answer](fulfilment, message, at_ms, deadlines)
    if fulfilment.state is FulfilmentState.NONE:
        return outcomes
    after = evolve(fulfilment, message, outcomes, at_ms, deadlines)
    return outcomes if after is fulfilment else outcomes + conclusions(after)


def recall(fulfilment: Fulfilment, order_id: str, at_ms: int) -> Fulfilment:
    """Return a fulfilment as it may be remembered: one that waits for nothing, so long after its time, never was.

    Such rows are dropped some time after the window (infra/ops/retention), so nothing may depend on whether one still is.
    Raises RefusedError for what is no order id.
    """
    require_order_id(order_id)
    if fulfilment.waits_for or is_in_window(order_id, at_ms, margin_ms=SETTLING_MS):
        return fulfilment
    return Fulfilment()


# --- beginning --------------------------------------------------------------------------------------------------------


def begin(it: Fulfilment, fact: m.OrderPaid | m.OrderPlaced, at_ms: int, _: Deadlines) -> list[Message]:
    """Take the lines in (`evolve` does), unless the order is so old that its row may have been dropped."""
    del it
    if begins(fact) and not is_in_window(fact.order_id, at_ms, margin_ms=SETTLING_MS):
        raise RefusedError(
            OUTSIDE_WINDOW, f"{type(fact).__name__} of {fact.order_id}, of which nothing is kept any more"
        )
    return []


def note_lapse(it: Fulfilment, fact: Message, *_: object) -> list[Message]:
    """`evolve` writes down whether parcels may be captured."""
    del it, fact
    return []


# --- what does not go out, and what comes back ----------------------------------------------------------------------------


def take_back(it: Fulfilment, fact: m.LineReturned | m.LineCommandRefused, *_: object) -> list[Message]:
    """A line is gone from the order: withdrawn if it never left, returned if it did. Its money follows, once.

    One that inventory cannot ship because it has left already is where it should be (`evolve` sees to it).
    """
    line = it.line_of(fact.line, fact.sku)
    if line is None or (isinstance(fact, m.LineCommandRefused) and not _is_answer(line, fact)):
        return []
    if line.state in IN_THE_HOUSE and not has_left(fact):
        withdrawn = m.LineWithdrawn(fact.order_id, fact.line, fact.sku, fact.reason)
        return [withdrawn, *refund(fact.order_id, fact.line, line, "line_withdrawn")]
    return refund(fact.order_id, fact.line, line, "line_returned") if line.state in OUT else []


def _is_answer(line: Line, fact: m.LineCommandRefused) -> bool:
    """Tell whether inventory refuses what we asked of it, and not what somebody else did."""
    if fact.command == m.ShipLine.__name__:
        return line.state is LineState.LEAVING
    return fact.command == m.ReturnLine.__name__ and line.state in (LineState.WITHDRAWING, LineState.RETURNING)


def cancel(it: Fulfilment, fact: m.OrderCancelRequested, *_: object) -> list[Message]:
    """End what nothing was shipped of. Between this and ShipOrder the order in the log decides."""
    if any(line.state in UNDER_WAY for line in it.lines.values()):
        return [m.OrderCommandRefused(fact.order_id, m.CancelOrder.__name__, "", "shipment_under_way")]
    if any(line.state in OUT | BACK for line in it.lines.values()):
        return refuse_cancel(it, fact)
    return [m.FulfilmentCancelled(fact.order_id, fact.reason, fact.requested_by)]


def refuse_cancel(it: Fulfilment, fact: m.OrderCancelRequested, *_: object) -> list[Message]:
    """Goods that left cannot be cancelled; they can be sent back."""
    del it
    return [m.OrderCommandRefused(fact.order_id, m.CancelOrder.__name__, "", "already_shipped")]


# --- nothing follows ------------------------------------------------------------------------------------------------------


def nothing(it: Fulfilment, message: Message, *_: object) -> list[Message]:
    """Nothing follows; `evolve` writes down what there is to note."""
    del it, message
    return []


def refuse(it: Fulfilment, message: Message, *_: object) -> list[Message]:
    """Refuse what cannot follow from the saga. Raises RefusedError, always."""
    raise RefusedError("unexpected", f"{type(message).__name__} cannot happen to a fulfilment that is {it.state.value}")


def refuse_command(it: Fulfilment, command: Message, at_ms: int, _: Deadlines) -> list[Message]:
    """Say why a command makes no sense where there is nothing to ship yet, or nothing any more."""
    refusal = refused(command, "order_cancelled")
    require_text(refusal.reference)
    if it.state is FulfilmentState.CANCELLED:
        return [refusal]
    is_known = is_in_window(refusal.order_id, at_ms, margin_ms=SETTLING_MS)
    return [refused(command, "not_paid" if is_known else OUTSIDE_WINDOW)]


ANSWERS: Final[Mapping[str, Callable[..., list[Message]]]] = {
    "begin": begin,
    "note_lapse": note_lapse,
    "withdraw": take_back,
    "take_back_some": take_back,
    "take_back": take_back,
    "settle_return": take_back,
    "close": nothing,
    "cancel": cancel,
    "refuse_cancel": refuse_cancel,
    **PARCEL_ANSWERS,
    **RETURN_ANSWERS,
    "give_up": end_waits,
    "end_some_waits": end_waits,
    "end_waits": end_waits,
    "nothing_here": nothing,
    "leave_to_payments": nothing,
    "leave_to_orders": nothing,
    "ignore_duplicate": nothing,
    "refuse": refuse,
    "refuse_command": refuse_command,
}
