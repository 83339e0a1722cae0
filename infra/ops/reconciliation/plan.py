"""Decides whose money is nobody's, and what gives it back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from consumers.payments.processor import ORPHAN, Operation, OperationKind, ProcessorPayment
from schemas.ids import is_order_id

if TYPE_CHECKING:
    from collections.abc import Mapping


class Known(msgspec.Struct, frozen=True):
    """What we know of an order's payments: every authorisation that we ever learned of, and whether one is awaited."""

    authorization_ids: frozenset[str]
    is_asking: bool


class Orphan(msgspec.Struct, frozen=True):
    """A payment of which we know nothing, and the operation that gives its money back."""

    payment: ProcessorPayment
    why: str
    operation: Operation


def orphan_of(payment: ProcessorPayment, known: Mapping[str, Known]) -> Orphan | None:
    """Return what to do about a payment, None where it is ours, somebody else's, moved nothing or may still reach us.

    `known` has an entry for each order that we know. A payment without an order id of ours was made by another system
    with the same account; it is not touched.
    """
    if not is_order_id(payment.order_id):
        return None
    order = known.get(payment.order_id)
    if order is not None and (order.is_asking or payment.authorization_id in order.authorization_ids):
        return None
    why = "its order is not known" if order is None else "its order has another authorisation"
    if payment.held_minor > 0:
        return Orphan(payment, why, _operation(payment, OperationKind.VOID, payment.held_minor))
    owed_minor = payment.captured_minor - payment.refunded_minor
    if owed_minor > 0:
        return Orphan(payment, why, _operation(payment, OperationKind.REFUND, owed_minor))
    return None


def _operation(payment: ProcessorPayment, kind: OperationKind, amount_minor: int) -> Operation:
    """Return the operation under an id of its own: found twice, it is done once."""
    return Operation(
        operation_id=f"{ORPHAN}{payment.authorization_id}:{kind.value}",
        order_id=payment.order_id,
        kind=kind,
        amount_minor=amount_minor,
        currency=payment.currency,
        payment_token="",
        customer_id="",
        authorization_id=payment.authorization_id,
    )
