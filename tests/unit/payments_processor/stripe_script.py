"""A server in Stripe's place that answers what a test has written down, and the documents that Stripe answers with."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from consumers.payments.stripe_processor import StripeProcessor

TOKEN = "pm_card_visa_4242"


class Asked(NamedTuple):
    """One request: `values` are its form or its query."""

    route: str
    key: str | None
    values: dict[str, str]


class Script:
    """A server that says what it is told to, in order, and then the last thing again."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any, dict[str, str]]] = []
        self.asked: list[Asked] = []

    def answer_with(self, status: int, document: Any, **headers: str) -> None:
        self.answers.append((status, document, headers))

    async def handle(self, request: web.BaseRequest) -> web.Response:
        body = (await request.read()).decode() or urlsplit(request.path_qs).query
        values = {name: given[0] for name, given in parse_qs(body).items()}
        route = f"{request.method} {request.path}"
        self.asked.append(Asked(route, request.headers.get("Idempotency-Key"), values))
        status, document, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(
            status=status, body=json.dumps(document).encode(), headers={"Content-Type": "application/json", **headers}
        )


class Stripe(NamedTuple):
    script: Script
    processor: StripeProcessor


def intent(status: str, **more: Any) -> dict[str, Any]:
    usual = {"id": "pi_1", "object": "payment_intent", "amount": 500, "amount_received": 0, "currency": "gbp"}
    return {**usual, "status": status, "latest_charge": None, "next_action": None, **more}


def error(kind: str, code: str | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"type": kind, "code": code, "message": f"about {TOKEN}", **more}}


def page(*items: dict[str, Any], kind: str = "list", **more: Any) -> dict[str, Any]:
    return {"object": kind, "data": list(items), "has_more": False, "url": "/v1/x", **more}
