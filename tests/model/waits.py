"""What an order may wait for when only time and people can do anything more; whatever else stands still is in limbo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from schemas import messages as m
from schemas.terms import CAPTURE_AT_SHIPPING, SHIP_AVAILABLE
from tests.model.accounting import HELD
from tests.model.facts import OrderFacts
from topology.states import OVER_ORDER_STATES, OrderState, PaymentState

_NEEDS_A_PERSON: Final = frozenset({PaymentState.VOID_FAILED, PaymentState.REFUND_FAILED})
_UNDER_WAY: Final = frozenset(
    {
        PaymentState.AUTHORIZING,
        PaymentState.CAPTURING,
        PaymentState.VOIDING,
        PaymentState.REFUNDING,
        PaymentState.INSPECTING,
    }
)


class LimboError(AssertionError):
    """An order waits for nothing that has a name."""


def wait_of(facts: OrderFacts) -> Iterator[str]:
    """Name what an order waits for. Raises LimboError where it is not over and waits for nothing."""
    payment = facts.payment.state if facts.payment is not None else PaymentState.NONE
    if payment in _UNDER_WAY:
        raise LimboError(f"{facts.order_id} ({facts.order.state}): everything is answered, its payment is {payment}")
    if payment in _NEEDS_A_PERSON:
        yield "a_person"
    if payment is PaymentState.DISPUTED:
        yield "the_end_of_a_dispute"
    if payment is PaymentState.REQUIRES_ACTION:
        yield "the_customers_confirmation"
        return
    state = facts.order.state
    if state in OVER_ORDER_STATES:
        return
    if state in (OrderState.DELIVERED, OrderState.RETURNED):
        yield from _returns(facts)
    elif (wait := _wait_for_goods(facts)) is not None:
        yield wait
    else:
        raise LimboError(f"{facts.order_id} is {state} (payment {payment}) and waits for nothing: {facts.stands}")


def _wait_for_goods(facts: OrderFacts) -> str | None:
    match facts.order.state:
        case OrderState.PENDING if HELD in facts.stands.values():
            return "missing_lines_or_the_end_of_holds"
        case OrderState.PENDING if _could_have_nothing(facts):
            return "missing_lines"
        case OrderState.PLACED if CAPTURE_AT_SHIPPING in facts.of(m.OrderPlaced)[0].terms:
            return "shipment"
        case OrderState.PAID:
            return "shipment"
        case OrderState.SHIPPED:
            return "delivery"
    return None


def _could_have_nothing(facts: OrderFacts) -> bool:
    """Tell whether lines never came, and those that did could not be had: nothing is held whose end would be an end.

    Under ship_available that is no end yet: the rest may come, until the order's own time is over.
    """
    order = facts.order
    refused = all(line.state == "rejected" for line in order.lines.values())
    return SHIP_AVAILABLE in order.terms and refused and len(order.lines) < order.line_count


def _returns(facts: OrderFacts) -> Iterator[str]:
    approved = {approval.return_id for approval in facts.of(m.ReturnApproved)}
    refused = {refusal.return_id for refusal in facts.of(m.ReturnRefused)}
    for request in facts.of(m.ReturnRequested):
        if request.return_id not in approved | refused:
            yield "a_return_to_be_decided"
    if approved - refused - {receipt.return_id for receipt in facts.of(m.ReturnReceived)}:
        yield "goods_sent_back"
