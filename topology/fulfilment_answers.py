"""What an order's fulfilment answers to each message, by its state. Names are explained in `topology/states.py`.

Where an answer leads is in the second table: in which states it may stand afterwards, the arrows of the diagram. One with
no state there changes none. A test walks the rooms at random and finds exactly these moves.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from topology.states import FulfilmentState, answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from topology.states import Answers

FULFILMENT_ANSWERS: Final[Mapping[FulfilmentState, Answers]] = MappingProxyType(
    {
        FulfilmentState.NONE: answers(
            OrderPlaced="begin",
            OrderPaid="begin",
            OrderCancelRequested="refuse",
            OrderCancelled="nothing_here",
            ShipOrder="refuse_command",
            PaymentCaptured="nothing_here",
            PaymentCaptureFailed="nothing_here",
            PaymentLapsed="nothing_here",
            PaymentAuthorized="nothing_here",
            LineShipped="nothing_here",
            LineCommandRefused="nothing_here",
            LineReturned="nothing_here",
            ConfirmDelivery="refuse_command",
            ReportLostParcel="refuse_command",
            RequestReturn="refuse_command",
            ApproveReturn="refuse_command",
            RefuseReturn="refuse_command",
            ReceiveReturn="refuse_command",
            EndWaits="nothing_here",
        ),
        FulfilmentState.OPEN: answers(
            OrderPlaced="ignore_duplicate",
            OrderPaid="ignore_duplicate",
            OrderCancelRequested="cancel",
            OrderCancelled="close",
            ShipOrder="ship",
            PaymentCaptured="ship_captured",
            PaymentCaptureFailed="reopen_lines",
            PaymentLapsed="note_lapse",
            PaymentAuthorized="note_lapse",
            LineShipped="gather_shipped",
            LineCommandRefused="withdraw",
            LineReturned="withdraw",
            ConfirmDelivery="refuse_delivery",
            ReportLostParcel="refuse_loss",
            RequestReturn="request_return",
            ApproveReturn="approve_return",
            RefuseReturn="refuse_return",
            ReceiveReturn="receive_return",
            EndWaits="give_up",
        ),
        FulfilmentState.PARTLY_SHIPPED: answers(
            OrderPlaced="ignore_duplicate",
            OrderPaid="ignore_duplicate",
            OrderCancelRequested="refuse_cancel",
            OrderCancelled="refuse",
            ShipOrder="ship",
            PaymentCaptured="ship_captured",
            PaymentCaptureFailed="reopen_lines",
            PaymentLapsed="note_lapse",
            PaymentAuthorized="note_lapse",
            LineShipped="gather_shipped",
            LineCommandRefused="take_back_some",
            LineReturned="take_back_some",
            ConfirmDelivery="deliver_some",
            ReportLostParcel="lose_some",
            RequestReturn="request_return",
            ApproveReturn="approve_return",
            RefuseReturn="refuse_return",
            ReceiveReturn="receive_return",
            EndWaits="end_some_waits",
        ),
        FulfilmentState.SHIPPED: answers(
            OrderPlaced="ignore_duplicate",
            OrderPaid="ignore_duplicate",
            OrderCancelRequested="refuse_cancel",
            OrderCancelled="refuse",
            ShipOrder="refuse_shipping",
            PaymentCaptured="refund_captured",
            PaymentCaptureFailed="leave_to_payments",
            PaymentLapsed="note_lapse",
            PaymentAuthorized="note_lapse",
            LineShipped="return_withdrawn",
            LineCommandRefused="settle_return",
            LineReturned="take_back",
            ConfirmDelivery="deliver",
            ReportLostParcel="lose",
            RequestReturn="request_return",
            ApproveReturn="approve_return",
            RefuseReturn="refuse_return",
            ReceiveReturn="receive_return",
            EndWaits="end_waits",
        ),
        FulfilmentState.DELIVERED: answers(
            OrderPlaced="ignore_duplicate",
            OrderPaid="ignore_duplicate",
            OrderCancelRequested="refuse_cancel",
            OrderCancelled="refuse",
            ShipOrder="refuse_shipping",
            PaymentCaptured="refund_captured",
            PaymentCaptureFailed="leave_to_payments",
            PaymentLapsed="note_lapse",
            PaymentAuthorized="note_lapse",
            LineShipped="return_withdrawn",
            LineCommandRefused="settle_return",
            LineReturned="take_back",
            ConfirmDelivery="deliver",
            ReportLostParcel="lose",
            RequestReturn="request_return",
            ApproveReturn="approve_return",
            RefuseReturn="refuse_return",
            ReceiveReturn="receive_return",
            EndWaits="end_waits",
        ),
        FulfilmentState.CANCELLED: answers(
            OrderPlaced="ignore_duplicate",
            OrderPaid="ignore_duplicate",
            OrderCancelRequested="ignore_duplicate",
            OrderCancelled="ignore_duplicate",
            ShipOrder="refuse_command",
            PaymentCaptured="leave_to_payments",
            PaymentCaptureFailed="leave_to_payments",
            PaymentLapsed="leave_to_payments",
            PaymentAuthorized="leave_to_payments",
            LineShipped="leave_to_orders",
            LineCommandRefused="leave_to_orders",
            LineReturned="leave_to_orders",
            ConfirmDelivery="refuse_command",
            ReportLostParcel="refuse_command",
            RequestReturn="refuse_command",
            ApproveReturn="refuse_command",
            RefuseReturn="refuse_command",
            ReceiveReturn="refuse_command",
            EndWaits="nothing_here",
        ),
    }
)

FULFILMENT_LEADS_TO: Final[Mapping[str, tuple[FulfilmentState, ...]]] = MappingProxyType(
    {
        "begin": (FulfilmentState.OPEN,),
        "ship": (),
        "refuse_shipping": (),
        "ship_captured": (),
        "refund_captured": (),
        "reopen_lines": (FulfilmentState.PARTLY_SHIPPED,),  # one had left unasked
        "note_lapse": (),
        # Lines are left; this was the last one.
        "gather_shipped": (FulfilmentState.PARTLY_SHIPPED, FulfilmentState.SHIPPED),
        "return_withdrawn": (),
        # A parcel goes without the line; it was the last one that had not left; nothing is left to ship.
        "withdraw": (FulfilmentState.PARTLY_SHIPPED, FulfilmentState.SHIPPED, FulfilmentState.CANCELLED),
        # It was the last one that had not left; the others have arrived already.
        "take_back_some": (FulfilmentState.SHIPPED, FulfilmentState.DELIVERED),
        "take_back": (FulfilmentState.DELIVERED,),  # a parcel came back, the others have arrived
        "settle_return": (),
        "close": (FulfilmentState.CANCELLED,),
        "cancel": (FulfilmentState.CANCELLED,),
        "refuse_cancel": (),
        "refuse_delivery": (),
        "deliver_some": (),
        "deliver": (FulfilmentState.DELIVERED,),
        "refuse_loss": (),
        "lose_some": (),
        "lose": (FulfilmentState.DELIVERED,),
        "request_return": (),
        "approve_return": (),
        "refuse_return": (),
        "receive_return": (),
        "give_up": (FulfilmentState.CANCELLED,),
        "end_some_waits": (),
        "end_waits": (FulfilmentState.DELIVERED,),
        "nothing_here": (),
        "leave_to_payments": (),
        "leave_to_orders": (),
        "ignore_duplicate": (),
        "refuse": (),
        "refuse_command": (),
    }
)
