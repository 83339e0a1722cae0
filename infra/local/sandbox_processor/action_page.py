"""The page at which a customer confirms a payment, as banks show one for 3-D Secure: two buttons and the way back."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from infra.local.sandbox_processor.entries import Entry

FORM: Final = "application/x-www-form-urlencoded"
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title><link rel="icon" href="data:,"></head>
<body><main><h1>{title}</h1>{body}</main></body></html>
"""
_FORM: Final = (
    '<form method="post"><input type="hidden" name="back" value="{back}">'
    '<button name="confirm" value="true">Confirm the payment</button> '
    '<button name="confirm" value="false">Refuse</button></form>'
)


def ask(http: web.BaseRequest) -> web.Response:
    """Return the page that asks; the shop that the customer comes from is where the way back leads."""
    shop = urlsplit(http.headers.get("Referer", ""))
    back = f"{shop.scheme}://{shop.netloc}/orders" if shop.scheme in ("http", "https") else ""
    return _page("Your bank asks: is this you?", _FORM.format(back=escape(back, quote=True)))


def as_confirmation(form: bytes) -> bytes:
    """Return what a form of the page sent as the JSON that a program would have sent."""
    confirmed = parse_qs(form.decode("utf-8", "replace")).get("confirm") == ["true"]
    return msgspec.json.encode({"confirm": confirmed})


def thank(form: bytes, entry: Entry | None) -> web.Response:
    """Return the page that follows."""
    back = parse_qs(form.decode("utf-8", "replace")).get("back", [""])[0]
    link = f'<p><a href="{escape(back, quote=True)}">Back to the shop</a></p>' if back.startswith("http") else ""
    return _page("There is no such payment" if entry is None else "Thank you", link)


def _page(title: str, body: str) -> web.Response:
    return web.Response(text=_PAGE.format(title=escape(title), body=body), content_type="text/html")
