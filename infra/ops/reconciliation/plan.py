"""Decides which payments at the processor are whose, where both books differ, and what gives back what is nobody's. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from consumers.payments.ledger import Sums, as_read, booked
from consumers.payments.processor import ORPHAN, Operation, OperationKind, ProcessorPayment
from consumers.payments.state import PENDING, REQUIRES_ACTION, SUCCEEDED, Payment
from schemas.ids import is_order_id

if TYPE_CHECKING:
    from collections.abc import Mapping

ONLY_OURS: Final = "the processor does not know it"
OTHER_FIGURES: Final = "the figures differ"
OTHER_CURRENCY: Final = "the currencies differ"
OTHER_ORDER: Final = "the processor names another order"


class Known(msgspec.Struct, frozen=True):
    """What we know of an order's payments: the authorisations that stand, and whether one is awaited.

    `payment` is None for an order that was never asked to pay.
    """

    authorization_ids: frozenset[str]
    is_asking: bool
    payment: Payment | None = None


class Orphan(msgspec.Struct, frozen=True):
    """A payment that no order stands for, and the operation that gives its money back."""

    payment: ProcessorPayment
    why: str
    operation: Operation


class Books(msgspec.Struct, frozen=True):
    """One side's money of one authorisation, in minor units of `currency`."""

    currency: str
    sums: Sums


class Difference(msgspec.Struct, frozen=True):
    """An authorisation of an order of ours, where both books differ; the `processor` has none where only we know of it.

    `state` is that of our payment. `result` is what came of booking it, empty where that was not asked for.
    """

    order_id: str
    authorization_id: str
    state: str
    why: str
    ours: Books
    processor: Books | None
    result: str = ""

    @property
    def is_bookable(self) -> bool:
        """Tell whether payments can book it: what was authorised, and in which currency, nobody changes afterwards."""
        return (
            self.why == OTHER_FIGURES
            and self.processor is not None
            and self.ours.sums.authorized_minor == self.processor.sums.authorized_minor
        )


def known_of(payment: Payment | None) -> Known:
    """Return what is known of an order. An authorisation that was declined or given up does not stand."""
    asked = (
        [attempt for attempt in payment.attempts.values() if attempt.kind is OperationKind.AUTHORIZE] if payment else []
    )
    return Known(
        frozenset(attempt.authorization_id for attempt in asked if attempt.result in (SUCCEEDED, REQUIRES_ACTION)),
        is_asking=any(attempt.result == PENDING for attempt in asked),
        payment=payment,
    )


def books_of(payment: Payment, authorization_id: str) -> Books:
    """Return what the processor should have of an authorisation by our books."""
    return Books(payment.currency, booked(payment, authorization_id))


def difference_of(processor_payment: ProcessorPayment, payment: Payment) -> Difference | None:
    """Return where the processor's books of one of the payment's authorisations differ from ours, None where they agree."""
    own_books = books_of(payment, processor_payment.authorization_id)
    processor_books = Books(processor_payment.currency, as_read(payment, processor_payment))
    if own_books == processor_books and processor_payment.order_id == payment.order_id:
        return None
    why = OTHER_FIGURES if own_books.currency == processor_books.currency else OTHER_CURRENCY
    if processor_payment.order_id != payment.order_id:
        why = OTHER_ORDER
    return Difference(
        payment.order_id, processor_payment.authorization_id, payment.state.value, why, own_books, processor_books
    )


def only_ours(payment: Payment, authorization_id: str) -> Difference:
    """Return the difference that the processor does not know an authorisation at all."""
    own_books = books_of(payment, authorization_id)
    return Difference(payment.order_id, authorization_id, payment.state.value, ONLY_OURS, own_books, None)


def is_moving(payment: Payment) -> bool:
    """Tell whether something is under way that may explain a difference: it is compared once that is over."""
    return (
        payment.under_way != ""
        or payment.is_unconfirmed
        or any(queued.kind is OperationKind.INSPECT for queued in payment.queue)
    )


def is_ours(payment: ProcessorPayment, known: Mapping[str, Known]) -> bool:
    """Tell whether an order of ours stands for a payment, so that both books can be compared."""
    order = known.get(payment.order_id)
    return order is not None and payment.authorization_id in order.authorization_ids


def orphan_of(payment: ProcessorPayment, known: Mapping[str, Known]) -> Orphan | None:
    """Return what to do about a payment, None where it is ours, somebody else's, moved nothing or may still reach us.

    `known` has an entry for each order that we know. A payment without an order id of ours was made by another system
    with the same account; it is not touched.
    """
    if not is_order_id(payment.order_id) or is_ours(payment, known):
        return None
    order = known.get(payment.order_id)
    if order is not None and order.is_asking:
        return None
    why = "its order is not known" if order is None else "its order does not stand for it"
    if payment.held_minor > 0:
        return Orphan(payment, why, _operation(payment, OperationKind.VOID, payment.held_minor))
    owed_minor = payment.captured_minor - payment.refunded_minor - payment.disputed_minor - payment.lost_minor
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
