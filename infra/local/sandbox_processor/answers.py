"""The documents that the processor sends: operations, events and problems."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from infra.local.sandbox_processor.entries import OK, Entry

ACTIONS: Final = "/v1/actions/"
JSON: Final = {"Content-Type": "application/json"}

_PROBLEM: Final = {"Content-Type": "application/problem+json"}
_TITLES: Final = {
    "action_declined": "The card's holder did not confirm the payment",
    "action_required": "The card's holder has to confirm the payment first",
    "already_captured": "The authorisation is captured already",
    "already_voided": "The authorisation is voided already",
    "amount_exceeds_authorization": "More was to be captured than is held",
    "amount_exceeds_captured": "More was to be refunded than is captured and not refunded yet",
    "authorization_declined": "The card's holder did not confirm the payment",
    "authorization_expired": "The authorisation has lapsed",
    "authorization_unknown": "There is no such authorisation",
    "capture_failed": "The card's bank refused the capture",
    "card_declined": "The card was declined",
    "dispute_closed": "The dispute has ended already",
    "dispute_unknown": "There is no such dispute",
    "currency_mismatch": "The authorisation is in another currency",
    "insufficient_funds": "The card has too little money on it",
    "invalid_request": "The request is not well-formed",
    "key_in_flight": "A request with this Idempotency-Key is still under way",
    "key_missing": "An Idempotency-Key header is needed",
    "key_reused": "This Idempotency-Key belongs to another request",
    "operation_unknown": "No operation was executed under this key",
    "refund_failed": "The card's bank refused the refund",
    "route_unknown": "There is nothing here",
    "unavailable": "Nothing was executed: come back later",
    "void_failed": "The card's bank refused the void",
}

encode = msgspec.json.Encoder().encode


def answer(entry: Entry, base_url: str) -> web.Response:
    """Answer to the request that asked for an operation."""
    if entry.status == OK:
        return operation(entry, base_url)
    return problem(entry.status, entry.code, kind=entry.kind, authorization_id=entry.authorization_id)


def operation(entry: Entry, base_url: str) -> web.Response:
    """Answer to who looks an operation up."""
    document = {"object": "operation", "id": entry.operation_id, **_facts(entry, base_url)}
    return web.Response(body=encode(document), headers=JSON)


def event_document(entry: Entry, base_url: str) -> dict[str, Any]:
    """Return a webhook's body."""
    subject = "authorization" if entry.kind == "lapse" else _kind(entry)
    return {
        "type": f"{subject}.{entry.outcome}",
        "operation_id": entry.operation_id,
        **_facts(entry, base_url),
    }


def problem(status: int, code: str, **members: str) -> web.Response:
    """Return an RFC 9457 problem; `code` and what else is given are its extension members."""
    document = {"type": f"urn:lastunit:processor:{code}", "title": _TITLES[code], "status": status, "code": code}
    return web.Response(status=status, body=encode(document | members), headers=_PROBLEM)


def _facts(entry: Entry, base_url: str) -> dict[str, Any]:
    action_url = base_url + ACTIONS + quote(entry.authorization_id, safe="") if entry.awaits_action else ""
    dispute = {"dispute_id": entry.dispute_id} if entry.dispute_id else {}
    return {
        "kind": "authorize" if entry.kind == "lapse" else _kind(entry),
        "status": entry.outcome,
        "code": entry.code,
        "authorization_id": entry.authorization_id,
        "order_id": entry.order_id,
        "amount_minor": entry.amount_minor,
        "currency": entry.currency,
        "action_url": action_url,
        "expires_at_ms": entry.expires_at_ms,
        **dispute,
    }


def _kind(entry: Entry) -> str:
    return "dispute" if entry.dispute_id or entry.kind.startswith("dispute") else entry.kind
