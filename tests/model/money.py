"""What must be true of an order's money in the end: invariant 5 of docs/guarantees.md, with the card network's books as the oracle."""

from __future__ import annotations

from consumers.payments.processor import OperationKind
from consumers.payments.state import RESOLVED
from schemas import messages as m
from tests.model.facts import OrderFacts


class StrandedError(AssertionError):
    """Money without goods, goods without money, or books that disagree."""


def _holds(truth: bool, *what: object) -> None:
    if not truth:
        raise StrandedError(" ".join(map(str, what)))


def judge_money(facts: OrderFacts) -> None:
    """Hold what the network has against what the customer has, and against what we believe that it has.

    What others gave back, or a bank withdrew for good, is not there to pay for goods; what they took pays for them.
    """
    # A void gives back all that was held, at the latest when the authorisation's time is over.
    voided_by_hand = facts.held if _by_hand(facts, OperationKind.VOID) else 0
    refunded_by_hand = _by_hand(facts, OperationKind.REFUND)
    _holds(facts.held == voided_by_hand, facts.order_id, "is over, and", facts.held, "are still held")
    kept = facts.captured - facts.refunded - facts.lost_minor - refunded_by_hand
    owed = max(0, facts.goods_minor - facts.kindness_minor)
    gone = facts.strangers_refunded + facts.lost_minor
    # Where money comes in parcel by parcel, what was given back for nothing may have been all that was there to give back.
    in_parts = len(facts.of(m.PaymentCaptured)) > 1 or facts.is_touched
    most = facts.goods_minor if in_parts else owed
    _holds(owed - gone <= kept <= most, facts.order_id, "has paid", kept, "for", owed, "of goods:", facts.stands)
    _judge_ledger(facts, voided_by_hand, refunded_by_hand)


def _by_hand(facts: OrderFacts, kind: OperationKind) -> int:
    """Return what a person says to have done outside the network, less what the network turned out to have done."""
    if facts.payment is None:
        return 0
    attempts = [
        attempt for attempt in facts.payment.attempts.values() if attempt.kind is kind and attempt.result == RESOLVED
    ]
    booked_minor: int = sum(attempt.amount_minor for attempt in attempts)
    resolved = [
        resolution for resolution in facts.of(m.PaymentResolved) if resolution.operation_id.split(":")[1] == kind.value
    ]
    is_published = facts.is_touched or booked_minor == sum(resolution.amount_minor for resolution in resolved)
    _holds(is_published, facts.order_id, "has", booked_minor, "booked by hand, and published", resolved)
    return booked_minor


def _judge_ledger(facts: OrderFacts, voided_by_hand: int, refunded_by_hand: int) -> None:
    """Our ledger of the order's money is the network's, to the cent, but for what was done by hand."""
    if facts.payment is None:
        _holds(facts.authorized == 0, facts.order_id, "has money at the network, of which nothing is known")
        return
    believed = (
        facts.payment.authorized_minor,
        facts.payment.authorized_minor - facts.payment.voided_minor,
        facts.payment.captured_minor,
        facts.payment.refunded_minor,
        facts.payment.disputed_minor,
        facts.payment.lost_minor,
    )
    really = (
        facts.authorized,
        facts.authorized - facts.voided - voided_by_hand,
        facts.captured,
        facts.refunded + refunded_by_hand,
        0,
        facts.lost_minor,
    )
    _holds(believed == really, facts.order_id, "by our ledger", believed, "at the network", really)
