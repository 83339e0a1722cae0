"""Reads the requests that ask for operations."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final

import msgspec

from infra.local.sandbox_processor.entries import Kind, Request

_AUTHORIZATIONS: Final = "/v1/authorizations"
_DISPUTES: Final = "/v1/disputes"
_FINGERPRINT_BYTES: Final = 12

_Amount = Annotated[int, msgspec.Meta(gt=0)]
_Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class UnknownRouteError(Exception):
    """No such method and path."""


class _Authorize(msgspec.Struct):
    order_id: _Name
    amount_minor: _Amount
    currency: _Currency
    payment_token: _Name
    customer_id: str


class _Capture(msgspec.Struct):
    amount_minor: _Amount
    currency: _Currency
    is_last: bool = True


class _Refund(msgspec.Struct):
    """A refund, or what a customer disputes."""

    amount_minor: _Amount
    currency: _Currency


class _Closing(msgspec.Struct):
    won: bool


class _Confirmation(msgspec.Struct):
    confirm: bool = True


_decode_authorize = msgspec.json.Decoder(_Authorize).decode
_decode_capture = msgspec.json.Decoder(_Capture).decode
_decode_refund = msgspec.json.Decoder(_Refund).decode
_decode_closing = msgspec.json.Decoder(_Closing).decode
_decode_confirmation = msgspec.json.Decoder(_Confirmation).decode


def read_operation(key: str, path: str, body: bytes) -> Request:
    """Return the request in our words. Raises UnknownRouteError or msgspec.DecodeError."""
    fingerprint = hashlib.blake2b(path.encode() + b"\n" + body, digest_size=_FINGERPRINT_BYTES).hexdigest()
    if path == _AUTHORIZATIONS:
        new = _decode_authorize(body)
        return Request(
            key, fingerprint, "authorize", "", new.order_id, new.amount_minor, new.currency, new.payment_token
        )
    parent, _, verb = path.rpartition("/")
    root, _, authorization_id = parent.rpartition("/")
    if (root, verb) == (_DISPUTES, "close"):
        kind: Kind = "dispute_won" if _decode_closing(body).won else "dispute_lost"
        return Request(key, fingerprint, kind, dispute_id=authorization_id)
    if root != _AUTHORIZATIONS or not authorization_id:
        raise UnknownRouteError
    if verb == "capture":
        wanted = _decode_capture(body)
        return Request(
            key,
            fingerprint,
            "capture",
            authorization_id,
            amount_minor=wanted.amount_minor,
            currency=wanted.currency,
            is_last=wanted.is_last,
        )
    if verb in {"refunds", "disputes"}:
        back = _decode_refund(body)
        moved: Kind = "refund" if verb == "refunds" else "dispute"
        return Request(key, fingerprint, moved, authorization_id, "", back.amount_minor, back.currency)
    if verb == "void":
        return Request(key, fingerprint, "void", authorization_id)
    raise UnknownRouteError


def read_confirmation(body: bytes) -> bool:
    """Return whether a customer confirms; an empty body does. Raises msgspec.DecodeError."""
    return _decode_confirmation(body or b"{}").confirm
