"""What a fulfilment decides on each message in each state, and where that may lead: the only table (deciding/transitions.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.fulfilment.conclusions import conclusions
from consumers.fulfilment.decide import ask_orders, begin, cancel, refuse_cancel, refuse_command, take_back
from consumers.fulfilment.evolve import evolve
from consumers.fulfilment.parcels import deliver, gather_shipped, lose, reopen_lines, ship, ship_captured
from consumers.fulfilment.returns import approve_return, receive_return, refuse_return, request_return
from consumers.fulfilment.waits import end_waits
from consumers.runtime.deciding.outcomes import (
    ignore_duplicate,
    ignore_timer,
    ignore_unknown,
    leave_to_orders,
    leave_to_payments,
    record_fact,
    refuse,
)
from consumers.runtime.deciding.transitions import Row, Transitions, to, transitions
from schemas import messages as m
from topology.states import FulfilmentState

if TYPE_CHECKING:
    from consumers.fulfilment.state import Fulfilment
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message

ROOM: Final = "fulfilment"

_BEGUN: Final[Row] = {
    m.OrderPlaced: ignore_duplicate,
    m.OrderPaid: ignore_duplicate,
}
_MONEY_NOTED: Final[Row] = {
    m.PaymentLapsed: record_fact,
    m.PaymentAuthorized: record_fact,
    m.PaymentChangedExternally: record_fact,
}
"""Whether parcels may leave and be captured, and what is left to be given back for lines."""
_RETURNS: Final[Row] = {
    m.RequestReturn: request_return,
    m.ApproveReturn: approve_return,
    m.RefuseReturn: refuse_return,
    m.ReceiveReturn: receive_return,
}
_NO_PARCELS: Final[Row] = {
    m.ConfirmDelivery: refuse_command,
    m.ReportLostParcel: refuse_command,
    m.RequestReturn: refuse_command,
    m.ApproveReturn: refuse_command,
    m.RefuseReturn: refuse_command,
    m.ReceiveReturn: refuse_command,
}
S: Final = FulfilmentState
_ALL_SHIPPED: Final[Row] = {
    **_BEGUN,
    m.OrderCancelRequested: refuse_cancel,
    m.OrderCancelled: refuse,
    m.ShipOrder: ship,
    m.PaymentCaptured: ship_captured,
    m.PaymentCaptureFailed: leave_to_payments,
    **_MONEY_NOTED,
    m.LineShipped: gather_shipped,
    m.LineCommandRefused: take_back,
    m.LineReturned: to(take_back, S.DELIVERED),  # a parcel came back, the others have arrived
    m.ConfirmDelivery: to(deliver, S.DELIVERED),
    m.ReportLostParcel: to(lose, S.DELIVERED),
    **_RETURNS,
    m.EndWaits: to(end_waits, S.DELIVERED),
}
"""Nothing is left in the house."""

TRANSITIONS: Final[Transitions[FulfilmentState]] = transitions(
    ROOM,
    FulfilmentState,
    {
        S.NONE: {
            m.OrderPlaced: to(begin, S.OPEN),
            m.OrderPaid: to(begin, S.OPEN),
            m.OrderCancelRequested: refuse,
            m.OrderCancelled: ignore_unknown,
            m.ShipOrder: ask_orders,
            m.PaymentCaptured: ignore_unknown,
            m.PaymentCaptureFailed: ignore_unknown,
            m.PaymentLapsed: ignore_unknown,
            m.PaymentAuthorized: ignore_unknown,
            m.PaymentChangedExternally: record_fact,  # it may come before the goods are known
            m.LineShipped: ignore_unknown,
            m.LineCommandRefused: ignore_unknown,
            m.LineReturned: ignore_unknown,
            **dict.fromkeys(_NO_PARCELS, ask_orders),
            m.EndWaits: ignore_unknown,
        },
        S.OPEN: {
            **_BEGUN,
            m.OrderCancelRequested: to(cancel, S.CANCELLED),
            m.OrderCancelled: to(record_fact, S.CANCELLED),
            m.ShipOrder: ship,
            m.PaymentCaptured: ship_captured,
            m.PaymentCaptureFailed: to(reopen_lines, S.PARTLY_SHIPPED),  # one had left unasked
            **_MONEY_NOTED,
            # Lines are left; this was the last one.
            m.LineShipped: to(gather_shipped, S.PARTLY_SHIPPED, S.SHIPPED),
            # A parcel goes without the line; it was the last one that had not left; nothing is left to ship.
            m.LineCommandRefused: to(take_back, S.PARTLY_SHIPPED, S.SHIPPED, S.CANCELLED),
            m.LineReturned: to(take_back, S.PARTLY_SHIPPED, S.SHIPPED, S.CANCELLED),
            m.ConfirmDelivery: deliver,
            m.ReportLostParcel: lose,
            **_RETURNS,
            m.EndWaits: to(end_waits, S.CANCELLED),
        },
        S.PARTLY_SHIPPED: {
            **_BEGUN,
            m.OrderCancelRequested: refuse_cancel,
            m.OrderCancelled: refuse,
            m.ShipOrder: ship,
            m.PaymentCaptured: ship_captured,
            m.PaymentCaptureFailed: to(reopen_lines, S.PARTLY_SHIPPED),
            **_MONEY_NOTED,
            m.LineShipped: to(gather_shipped, S.PARTLY_SHIPPED, S.SHIPPED),
            # It was the last one that had not left; the others have arrived already.
            m.LineCommandRefused: to(take_back, S.SHIPPED, S.DELIVERED),
            m.LineReturned: to(take_back, S.SHIPPED, S.DELIVERED),
            m.ConfirmDelivery: deliver,
            m.ReportLostParcel: lose,
            **_RETURNS,
            m.EndWaits: end_waits,
        },
        S.SHIPPED: _ALL_SHIPPED,
        S.DELIVERED: _ALL_SHIPPED,
        S.CANCELLED: {
            **_BEGUN,
            m.OrderCancelRequested: ignore_duplicate,
            m.OrderCancelled: ignore_duplicate,
            m.ShipOrder: refuse_command,
            m.PaymentCaptured: leave_to_payments,
            m.PaymentCaptureFailed: leave_to_payments,
            m.PaymentLapsed: leave_to_payments,
            m.PaymentAuthorized: leave_to_payments,
            m.PaymentChangedExternally: leave_to_payments,
            m.LineShipped: leave_to_orders,
            m.LineCommandRefused: leave_to_orders,
            m.LineReturned: leave_to_orders,
            **_NO_PARCELS,
            m.EndWaits: ignore_timer,
        },
    },
)


def decide(fulfilment: Fulfilment, message: Message, now: Now) -> list[Message]:
    """Return what follows from the message, and what lines and parcels have then come to.

    Raises RefusedError for a malformed message, and where the saga knows no such transition.
    """
    outcomes = TRANSITIONS[fulfilment.state][type(message)].decide(fulfilment, message, now)
    if fulfilment.state is FulfilmentState.NONE:
        return outcomes
    after = fulfilment.copy()
    return outcomes + conclusions(after) if evolve(after, message, outcomes, now) else outcomes
