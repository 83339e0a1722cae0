"""What happens to orders, in words: for the command line and the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from infra.base.spans import moment
from schemas.errors import MoneyError
from schemas.money import format_minor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.views.timeline import TimelineEvent

WORDS: Final = {
    "LineReserved": "line {line} of {line_count}: {quantity} x {sku} at {price}{charges}, held until {until}",
    "LineRejected": "line {line} of {line_count}: {quantity} x {sku} refused, {demand} wanted and {available} there",
    "LineRepeated": "line {line} was sent again",
    "LineReleased": "line {line}: {quantity} x {sku} given back",
    "LineExpired": "line {line}: {quantity} x {sku} not held any longer",
    "LineCommitted": "line {line}: {quantity} x {sku} allocated",
    "LineCommitFailed": "line {line}: {quantity} x {sku} not to be had any more, {available} there",
    "LineReturned": "line {line}: {quantity} x {sku} back in stock, {disposition}",
    "LineShipped": "line {line}: {quantity} x {sku} out of the house",
    "LineCommandRefused": "{command} for line {line} ({sku}) made no sense{detail}",
    "OrderReserved": "{held} held, {amount} to pay",
    "OrderRejected": "the order ends without a sale{detail}",
    "OrderPlaced": "all that was held is allocated, {amount} to take",
    "OrderPaid": "{amount} is in, the order can go out",
    "OrderCancelRequested": "the {requested_by} wants the order cancelled",
    "OrderCancelled": "the order ends without a sale, its goods and its money go back",
    "OrderCommandRefused": "{command} {reference} is refused{detail}",
    "RecordDeadLettered": "{message_type} on {topic} could not be processed by {room}, nothing changed{detail}",
    "OrderCommandUnmatched": "{command} {reference} finds nothing of the order where it is to be done",
    "PaymentRequiresAction": "the customer has to confirm the payment until {until} at {action_url}",
    "PaymentAuthorized": "{amount} is set aside",
    "PaymentDeclined": "the payment is declined",
    "PaymentCaptured": "{amount} is taken {reference}",
    "PaymentCaptureFailed": "the money could not be taken {reference}",
    "PaymentVoided": "what was set aside is free again",
    "PaymentVoidFailed": "what was set aside could not be freed; a person has to look",
    "PaymentLapsed": "what was set aside is free again: nothing may go out on it",
    "PaymentRefunded": "{amount} went back to the customer, for {refund_id}",
    "PaymentRefundFailed": "{amount} for {refund_id} could not be given back; a person has to look",
    "PaymentResolved": "{amount} was settled by hand: {note}",
    "ShipmentRequested": "parcel {shipment_id} is to go out with {lines}, {amount}",
    "ShipmentShipped": "parcel {shipment_id} with {lines} is with {carrier} as {tracking}",
    "OrderShipped": "nothing of the order is left in the house",
    "ShipmentDelivered": "parcel {shipment_id} has arrived{presumed}",
    "ShipmentLost": "parcel {shipment_id} with {lines} will not arrive",
    "OrderDelivered": "all that was to arrive has arrived",
    "FulfilmentCancelled": "nothing has left the house, and nothing will",
    "LineWithdrawn": "line {line} ({sku}) will not be shipped",
    "ReturnRequested": "return {return_id} of {lines} is asked for; unanswered it is granted at {until}",
    "ReturnApproved": "return {return_id} may be sent in until {until}",
    "ReturnRefused": "return {return_id} is not taken",
    "ReturnReceived": "return {return_id} has brought {lines} back, {disposition}",
    "OrderReturned": "all that had arrived is back",
    "RefundReduced": "{amount} of {asked} for {refund_id} goes back: no more is left",
    "PaymentChangedExternally": "{change} at the processor, not by us; {left} is left",
    "RefundRequested": "{amount} is to go back to the customer, for {refund_id}",
}

_CHANGES: Final = {
    "captured": "{amount} was taken",
    "captured_reversed": "{amount} turned out not to be taken",
    "voided": "{amount} was set free",
    "voided_reversed": "{amount} turned out not to be free",
    "refunded": "{amount} went back to the customer",
    "refunded_reversed": "{amount} did not go back to the customer",
    "disputed": "{amount} was withdrawn, as the customer disputes the payment",
    "dispute_won": "{amount} came back, as the dispute is won",
    "dispute_lost": "{amount} is gone for good, as the dispute is lost",
}
"""What others did with the money, by the word for it in PaymentChangedExternally."""


def describe(event: TimelineEvent, currency: str) -> str:
    """Return in a sentence what happened."""
    words = WORDS.get(event.type)
    if words is None:
        return ", ".join(f"{name}={value}" for name, value in event.data.items())
    return " ".join(words.format_map(_facts(event.data, currency)).split())


def rows(events: Iterable[TimelineEvent], currency: str) -> list[tuple[str, str, str, str]]:
    """Return time, event, what happened and reason of each event."""
    return [
        (moment(event.at_ms), event.type, describe(event, currency), str(event.data.get("reason", "")))
        for event in events
    ]


def _facts(data: dict[str, Any], currency: str) -> dict[str, Any]:
    facts = {**data, **_sums(data, data.get("currency") or currency)}
    if "change" in data:
        facts["change"] = _CHANGES.get(data["change"], f"{{amount}}, {data['change']},").format_map(facts)
    if "expires_at_ms" in data:
        facts["until"] = moment(data["expires_at_ms"])[11:19]
    if "until_ms" in data:
        facts["until"] = moment(data["until_ms"])[:16]
    if "line_count" in data:
        facts["held"] = "1 line is" if data["line_count"] == 1 else f"{data['line_count']} lines are"
    if "lines" in data:
        facts["lines"] = _lines(data["lines"])
    facts["detail"] = f": {data['detail']}" if data.get("detail") else ""  # events of before have none
    if "message_type" in data:
        facts["message_type"] = data["message_type"] or "a record"
    if "presumed" in data:
        facts["presumed"] = ", for all that we know" * bool(data["presumed"])
    if "reference" in data:
        facts["reference"] = f"for {data['reference']}" if data["reference"] else ""
    return facts


def _sums(data: dict[str, Any], currency: str) -> dict[str, str]:
    names = {"unit_price_minor": "price", "amount_minor": "amount", "asked_minor": "asked", "left_minor": "left"}
    sums = {name: amount(data[field], currency) for field, name in names.items() if field in data}
    charges = (f"{text} {amount(data[field], currency)}" for field, text in _CHARGES.items() if data.get(field))
    return sums | {"charges": "".join(charges)}


_CHARGES: Final = {"discount_minor": ", less", "tax_minor": ", tax", "shipping_minor": ", shipping of the order"}


def _lines(lines: Sequence[Any]) -> str:
    if not lines or not isinstance(lines[0], int):
        return f"{len(lines)} lines"
    return f"{'line' if len(lines) == 1 else 'lines'} {', '.join(map(str, lines))}"


def amount(amount_minor: int, currency: str) -> str:
    """Return an amount (minor units) with its currency; without one, where an order of refused lines has none."""
    try:
        return format_minor(amount_minor, currency)
    except MoneyError:  # an order of which only refused lines are known has no currency
        return f"{amount_minor} minor units"
