"""Carts as JSON documents, each with its version as ETag."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, Response, delete, get, patch, post, put
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from infra.edge.shop.answers import PRIVATE, json
from infra.edge.shop.visitors import guest_cart, is_guest_id
from producers.checkout.carts import MAX_CART_UNITS, CartLine
from schemas.limits import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.edge.shop.visitors import Visitors
    from producers.checkout.carts import Cart, Carts

OWN_CART: Final = "me"
"""Instead of a cart's id: the cart of whoever asks."""
NO_VERSION: Final = -1
_MAX_SEEN: Final = 2**53
_is_tag: Final = re.compile(r'"?[0-9]{1,20}"?').fullmatch


class LineBody(msgspec.Struct, frozen=True):
    """How many units of a SKU a line shall have."""

    quantity: int


class CartBody(msgspec.Struct, frozen=True):
    """A whole cart."""

    lines: list[CartLine]


class MergeBody(msgspec.Struct, frozen=True):
    """From which cart lines come."""

    source: str


def document_routes(carts: Carts, visitors: Visitors) -> list[Any]:
    """Return the routes of carts. An id that nobody can guess is what lets a program read a guest's cart.

    They raise CartChangedError, CartFullError and msgspec.ValidationError, which the application answers.
    """

    def named(request: Request[Any, Any, Any], cart_id: str) -> str:
        if cart_id == OWN_CART:
            return visitors.of(request).cart_id
        if not is_guest_id(cart_id):
            raise NotFoundException("There is no such cart.")
        return guest_cart(cart_id)

    @get("/carts/{cart_id:str}")
    async def show(request: Request[Any, Any, Any], cart_id: FromPath[str]) -> Response[bytes]:
        return _document(cart_id, await carts.read(named(request, cart_id)))

    @put("/carts/{cart_id:str}")
    async def replace(request: Request[Any, Any, Any], cart_id: FromPath[str]) -> Response[bytes]:
        lines = msgspec.json.decode(await request.body(), type=CartBody).lines
        _check(lines)
        return _document(cart_id, await carts.replace(named(request, cart_id), lines, _expected(request)))

    @patch("/carts/{cart_id:str}/lines/{sku:str}")
    async def change(request: Request[Any, Any, Any], cart_id: FromPath[str], sku: FromPath[str]) -> Response[bytes]:
        line = CartLine(sku, msgspec.json.decode(await request.body(), type=LineBody).quantity)
        _check([line])
        return _document(cart_id, await carts.set(named(request, cart_id), line, _expected(request)))

    @delete("/carts/{cart_id:str}/lines/{sku:str}", status_code=200)
    async def remove(request: Request[Any, Any, Any], cart_id: FromPath[str], sku: FromPath[str]) -> Response[bytes]:
        return _document(cart_id, await carts.remove(named(request, cart_id), sku, _expected(request)))

    @delete("/carts/{cart_id:str}", status_code=204)
    async def erase(request: Request[Any, Any, Any], cart_id: FromPath[str]) -> None:
        await carts.erase(named(request, cart_id), _expected(request))

    @post("/carts/{cart_id:str}/merge", status_code=200)
    async def merge(request: Request[Any, Any, Any], cart_id: FromPath[str]) -> Response[bytes]:
        source = msgspec.json.decode(await request.body(), type=MergeBody).source
        return _document(cart_id, await carts.merge(named(request, source), named(request, cart_id)))

    return [show, replace, change, remove, erase, merge]


def _document(cart_id: str, cart: Cart) -> Response[bytes]:
    shown = {"id": cart_id, "version": cart.version, "lines": cart.lines, "saved": cart.saved, "holds_stock": False}
    return json(shown, PRIVATE | {"ETag": f'"{cart.version}"'})


def _expected(request: Request[Any, Any, Any]) -> int | None:
    """Return the version that If-Match names, None for any; a tag that is none of ours is a version that no cart has."""
    tag = request.headers.get("if-match", "*").strip()
    if tag == "*":
        return None
    return int(tag.strip('"')) if _is_tag(tag) else NO_VERSION


def _check(lines: Sequence[CartLine]) -> None:
    """Raise msgspec.ValidationError for lines that no cart takes."""
    for line in lines:
        if not 0 < len(line.sku) <= MAX_TEXT or not line.sku.isprintable():
            raise msgspec.ValidationError(f"a SKU has 1 to {MAX_TEXT} characters that can be printed")
        if not 0 <= line.quantity <= MAX_CART_UNITS:
            raise msgspec.ValidationError(f"a quantity is 0 to {MAX_CART_UNITS}, not {line.quantity}")
        if line.seen_minor is not None and not 0 <= line.seen_minor < _MAX_SEEN:
            raise msgspec.ValidationError("a price that was seen is no such number")
