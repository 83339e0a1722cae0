"""What the processor answers to an operation that it has not executed yet. Pure but for the seeded dice of the faults."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from infra.local.sandbox_processor.books import Authorization
from infra.local.sandbox_processor.entries import (
    CONFLICT,
    LAPSE_SUFFIX,
    NOT_FOUND,
    OK,
    PAYMENT_REQUIRED,
    Entry,
    Request,
)
from infra.local.sandbox_processor.faults import FaultPlan

_DECLINING_TOKENS: Final = {"tok_declined": "card_declined", "tok_insufficient_funds": "insufficient_funds"}
_FATEFUL_TOKENS: Final = {"tok_capture_fails": "capture", "tok_void_fails": "void", "tok_refund_fails": "refund"}
_ACTION_TOKEN: Final = "tok_3ds"  # noqa: S105 - a made-up card, no secret

BY_HAND: Final = "by-hand:"
"""How the key of what a person does at the dashboard begins: whatever fails for us by its token succeeds there."""

_CLOSED_TO_CAPTURES: Final = {
    "requires_action": "action_required",
    "captured": "already_captured",
    "voided": "already_voided",
    "expired": "authorization_expired",
    "declined": "authorization_declined",
}
_CLOSED_TO_VOIDS: Final = {"captured": "already_captured", "voided": "already_voided"}


class Terms(msgspec.Struct, frozen=True):
    """How long an authorisation holds, and when its customer decides on one that asks for it (0: when asked to)."""

    authorization_seconds: float = 7 * 24 * 3600.0
    action_seconds: float = 0.0


class Judge:
    """Decides operations. Changes nothing."""

    def __init__(self, plan: FaultPlan, terms: Terms) -> None:
        self.plan = plan
        self.terms = terms

    def decide(self, request: Request, authorization: Authorization | None, now_ms: int) -> Entry:
        """Decide an operation on this authorisation, where the request names one that exists."""
        if request.kind == "authorize":
            return self._authorize(request, now_ms)
        if authorization is None:
            unknown = "dispute_unknown" if request.dispute_id else "authorization_unknown"
            return _entry(request, now_ms, NOT_FOUND, unknown)
        if request.kind == "capture":
            status, code = self._capture(request, authorization, now_ms)
        elif request.kind == "refund":
            status, code = _refund(request, authorization)
        elif request.kind == "dispute":
            status, code = _dispute(request, authorization)
        elif request.kind == "void":
            status, code = _void(request, authorization)
        else:
            status, code = (
                (OK, "") if request.dispute_id in authorization.open_disputes else (CONFLICT, "dispute_closed")
            )
        amount_minor = request.amount_minor
        if request.kind == "void":
            amount_minor = authorization.held_minor
        elif request.dispute_id:
            amount_minor = authorization.open_disputes.get(request.dispute_id, 0)
        return msgspec.structs.replace(
            _entry(request, now_ms, status, code),
            authorization_id=authorization.authorization_id,
            order_id=authorization.order_id,
            amount_minor=amount_minor,
            currency=authorization.currency,
            dispute_id=request.dispute_id or (_dispute_id(request) if request.kind == "dispute" else ""),
        )

    def confirm(self, asked: Entry, now_ms: int, *, confirmed: bool) -> Entry:
        """Return what becomes of an authorisation whose customer has confirmed it, or would not."""
        if confirmed:
            return msgspec.structs.replace(
                asked, at_ms=now_ms, awaits_action=False, expires_at_ms=self._expires_at_ms(now_ms)
            )
        return msgspec.structs.replace(
            asked, at_ms=now_ms, awaits_action=False, status=PAYMENT_REQUIRED, code="action_declined"
        )

    def _authorize(self, request: Request, now_ms: int) -> Entry:
        if (code := _DECLINING_TOKENS.get(request.payment_token)) is not None:
            return _entry(request, now_ms, PAYMENT_REQUIRED, code)
        if self.plan.declines(request.key):
            return _entry(request, now_ms, PAYMENT_REQUIRED, "card_declined")
        awaits_action = request.payment_token == _ACTION_TOKEN or self.plan.asks_for_action(request.key)
        return msgspec.structs.replace(
            _entry(request, now_ms, OK, ""),
            authorization_id="auth_" + hashlib.blake2b(request.key.encode(), digest_size=12).hexdigest(),
            fails=_FATEFUL_TOKENS.get(request.payment_token, ""),
            awaits_action=awaits_action,
            expires_at_ms=0 if awaits_action else self._expires_at_ms(now_ms),
        )

    def _capture(self, request: Request, authorization: Authorization, now_ms: int) -> tuple[int, str]:
        if (code := _CLOSED_TO_CAPTURES.get(authorization.state)) is not None:
            return CONFLICT, code
        if authorization.expires_at_ms and now_ms >= authorization.expires_at_ms:
            return CONFLICT, "authorization_expired"
        if request.currency != authorization.currency:
            return CONFLICT, "currency_mismatch"
        if request.amount_minor > authorization.held_minor:
            return CONFLICT, "amount_exceeds_authorization"
        if _fails(request, authorization) or self.plan.fails_capture(request.key):
            return PAYMENT_REQUIRED, "capture_failed"
        return OK, ""

    def _expires_at_ms(self, now_ms: int) -> int:
        seconds = self.terms.authorization_seconds
        return now_ms + round(seconds * 1000) if seconds else 0


def lapse(authorization: Authorization, now_ms: int) -> Entry:
    """Return the end of an authorisation that was not captured in time."""
    return Entry(
        key=authorization.operation_id + LAPSE_SUFFIX,
        fingerprint="",
        kind="lapse",
        status=OK,
        authorization_id=authorization.authorization_id,
        order_id=authorization.order_id,
        amount_minor=authorization.held_minor,
        currency=authorization.currency,
        at_ms=now_ms,
    )


def _refund(request: Request, authorization: Authorization) -> tuple[int, str]:
    if request.currency != authorization.currency:
        return CONFLICT, "currency_mismatch"
    if request.amount_minor > authorization.left_minor:
        return CONFLICT, "amount_exceeds_captured"
    if _fails(request, authorization):
        return PAYMENT_REQUIRED, "refund_failed"
    return OK, ""


def _dispute(request: Request, authorization: Authorization) -> tuple[int, str]:
    """A customer may dispute what was refunded already, as card networks have it, but no money twice by disputes."""
    if request.currency != authorization.currency:
        return CONFLICT, "currency_mismatch"
    withdrawn = authorization.disputed_minor + authorization.lost_minor
    if request.amount_minor > authorization.captured_minor - withdrawn:
        return CONFLICT, "amount_exceeds_captured"
    return OK, ""


def _dispute_id(request: Request) -> str:
    return "dp_" + hashlib.blake2b(request.key.encode(), digest_size=12).hexdigest()


def _fails(request: Request, authorization: Authorization) -> bool:
    return authorization.fails == request.kind and not request.key.startswith(BY_HAND)


def _void(request: Request, authorization: Authorization) -> tuple[int, str]:
    """Refuse what would undo a capture or comes twice. Where nothing is held, and nothing will be, it is done already."""
    if (code := _CLOSED_TO_VOIDS.get(authorization.state)) is not None:
        return CONFLICT, code
    if _fails(request, authorization):
        return PAYMENT_REQUIRED, "void_failed"
    return OK, ""


def _entry(request: Request, now_ms: int, status: int, code: str) -> Entry:
    return Entry(
        key=request.key,
        fingerprint=request.fingerprint,
        kind=request.kind,
        status=status,
        code=code,
        authorization_id=request.authorization_id,
        order_id=request.order_id,
        amount_minor=request.amount_minor,
        currency=request.currency,
        at_ms=now_ms,
        is_last=request.is_last,
    )
