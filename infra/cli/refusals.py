"""What a person can do about a command that was refused, by the reason that the event gives."""

from __future__ import annotations

from typing import Final

ADVICE: Final = {
    "already_shipped": "something of it has left the house: once delivered it can come back, `lastunit order return request`",
    "unknown_order": "nobody placed an order of this id; check the id",
    "order_over": "the order has ended already; `lastunit order show` says how",
    "order_cancelled": "the order is cancelled; nothing of it is shipped or taken back",
    "order_id_outside_window": "no order of this id is known; check the id",
    "not_paid": "nothing of it can leave before it is paid; `lastunit order show` says where it stands",
    "payment_disputed": "the customer disputes the payment at their bank; wait until the dispute is won or lost",
    "payment_gone": "its money went back at the processor, or was lost in a dispute: cancel the order",
    "authorization_lapsed": "the money is not set aside any more: `lastunit order retry`, or cancel the order",
    "payment_failed": "its money could not be taken; ship the lines under another shipment id, or cancel the order",
    "too_many_failures": "cancel the order: its money could not be taken for too many parcels",
    "unknown_line": "`lastunit order show` lists the lines",
    "line_withdrawn": "inventory has no such line any more; ship the others by --line",
    "line_already_shipped": "nothing is left to ship there; `lastunit order show` says in which parcel it went",
    "conflicting_duplicate": "this id stands for something else already; give another id",
    "unknown_shipment": "`lastunit order show` lists the parcels",
    "not_shipped": "the parcel has not left yet",
    "parcel_lost": "the parcel was reported lost, and what was paid for it goes back",
    "already_delivered": "the parcel was reported delivered; have it sent back instead: `lastunit order return request`",
    "return_under_way": "a return of it is under way; finish that one first",
    "line_already_returned": "the line is back already",
    "not_delivered": "say first that its parcel has arrived: `lastunit order deliver`",
    "return_window_over": "too late to send it back; `lastunit order refund` gives money without goods",
    "too_many_returns": "`lastunit order refund` gives money without goods",
    "unknown_return": "`lastunit order show` lists the returns",
    "not_approved": "allow it first: `lastunit order return approve`",
    "return_refused": "the return was refused; a new one needs another id",
    "return_approved": "the customer counts on it; receive it, or let its time run out",
    "exceeds_captured": "no more can go back than was captured and is not refunded yet; `lastunit order show` has the sums",
    "refund_id_used": "this refund id stands for another amount; give another id",
    "too_many_refunds": "pay it back by hand",
    "nothing_to_retry": "no void or refund of this order has failed, and its authorisation has not lapsed",
    "nothing_to_resolve": "no void or refund of it has failed; one that was settled at the processor is booked already",
    "still_held": "the processor still holds it: void it at the processor's dashboard, or ask again by `lastunit order retry`",
    "settled_at_processor": "it was done at the processor and is booked as that; `lastunit order show` has the sums",
}


def advice(reason: str) -> str:
    """Return what to do about a refusal, empty for a reason that needs no more."""
    return ADVICE.get(reason, "")
