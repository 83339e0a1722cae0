"""What payments' rows of an order confirm: its payment, and the attempts, whose results do not turn back. Pure.

Decision: docs/decisions, 036.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from consumers.runtime.origins.row import Row
    from schemas import messages as m

_DONE: Final = ("succeeded", "covered")
_NOT_AUTHORIZED: Final = ("declined", "abandoned")
_CANCELLED: Final = ("succeeded", "resolved")
_MAY_BE_DONE: Final = (*_DONE, "pending")


class _Attempt(msgspec.Struct, array_like=True):
    kind: str
    amount_minor: int
    reference: str
    authorization_id: str
    result: str


_attempts_in: Final = msgspec.json.Decoder(list[_Attempt]).decode
_external_in: Final = msgspec.json.Decoder(dict[str, Any]).decode


def authorized(event: m.PaymentAuthorized, row: Row) -> bool:
    """The processor holds that much under that authorisation, or did."""
    return _is_done("authorize", event, "", row)


def captured(event: m.PaymentCaptured, row: Row) -> bool:
    """That much of the authorisation was captured, for that shipment or for the order."""
    return _is_done("capture", event, event.reference, row)


def _is_done(kind: str, event: m.PaymentAuthorized | m.PaymentCaptured, reference: str, row: Row) -> bool:
    wanted = (kind, event.amount_minor, reference, event.authorization_id)
    return any(
        (attempt.kind, attempt.amount_minor, attempt.reference, attempt.authorization_id) == wanted
        and attempt.result in _DONE
        for attempt in _attempts_in(row["attempts"])
    )


def declined(_: m.PaymentDeclined, row: Row) -> bool:
    """An authorisation came to nothing: it was refused, or cancelled before its customer confirmed it."""
    return any(
        (attempt.kind == "authorize" and attempt.result in _NOT_AUTHORIZED)
        or (attempt.kind == "void" and attempt.reference == "unconfirmed" and attempt.result in _CANCELLED)
        for attempt in _attempts_in(row["attempts"])
    )


def capture_failed(event: m.PaymentCaptureFailed, row: Row) -> bool:
    """Nothing is captured for that shipment or order, and the rows show why: it was refused, or there was nothing to capture."""
    captures = [
        attempt
        for attempt in _attempts_in(row["attempts"])
        if attempt.kind == "capture" and attempt.reference == event.reference
    ]
    if any(capture.result in _MAY_BE_DONE for capture in captures) or (row["at_shipping"] and not event.reference):
        return False
    return bool(captures) or row["order_over"] or row["all_shipped"] or lapsed(event, row)


def lapsed(_: m.PaymentLapsed | m.PaymentCaptureFailed, row: Row) -> bool:
    """An authorisation is over, by time or by somebody at the processor."""
    return row["external"] != "{}" or any(
        attempt.kind == "void" and attempt.reference in ("lapsed", "unconfirmed")
        for attempt in _attempts_in(row["attempts"])
    )


def changed_externally(event: m.PaymentChangedExternally, row: Row) -> bool:
    """Money of that authorisation moved without us."""
    return event.authorization_id in _external_in(row["external"])
