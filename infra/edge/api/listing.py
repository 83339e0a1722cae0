"""The route of lists of orders, in pages, from the index that the views keep."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import parse_qsl

import asyncpg
import msgspec
from litestar import Request, Response

from consumers.runtime.postgres.database import ConnectionLostError, Database
from consumers.views.index import IndexedOrder, OrderQuery, find_orders
from infra.edge.access.scopes import ORDERS_READ
from infra.edge.api.operations import query
from infra.edge.api.problems import BAD_PARAMETER, Fault, ProblemError, unavailable
from schemas.ids import is_order_id
from schemas.limits import MAX_TEXT
from topology.states import OrderState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TAG: Final = "Orders"
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
_TEXTS: Final = {"customer": "customer_id", "reference": "reference", "sku": "sku"}
_KNOWN: Final = (*_TEXTS, "state", "from", "to", "cursor", "limit")


class ListedOrder(msgspec.Struct, frozen=True):
    """One order of a list; `placed_at_ms` is the append time of its first event (ms since the epoch, UTC)."""

    order_id: str
    placed_at_ms: int
    customer_id: str
    reference: str
    state: OrderState
    skus: list[str]


class OrderPage(msgspec.Struct, frozen=True):
    """A page of orders, the latest first; `next_cursor` is for the next page, null on the last."""

    orders: list[ListedOrder]
    next_cursor: str | None


PARAMETERS: Final[list[dict[str, Any]]] = [
    {"name": name, "in": "query", "required": False, "description": what, "schema": schema}
    for name, what, schema in (
        ("customer", "Orders of this customer.", {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}),
        (
            "reference",
            "Orders that were given this reference.",
            {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        ),
        ("sku", "Orders with a line of this SKU.", {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}),
        ("state", "Orders that stand so.", {"enum": [state.value for state in OrderState]}),
        ("from", "Placed at or after this time (RFC 3339).", {"type": "string", "format": "date-time"}),
        ("to", "Placed before this time (RFC 3339).", {"type": "string", "format": "date-time"}),
        ("cursor", "`next_cursor` of the page before.", {"type": "string", "minLength": 1, "maxLength": 200}),
        (
            "limit",
            f"Orders on a page; {DEFAULT_LIMIT} if none.",
            {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
        ),
    )
]


def listing_routes(find: Callable[[OrderQuery, int], Awaitable[list[IndexedOrder]]]) -> list[Any]:
    """Return the route of lists of orders."""

    @query("/v1/orders", "listOrders", ORDERS_READ, tag=TAG, parameters=PARAMETERS)
    async def list_orders(request: Request[Any, Any, Any]) -> Response[OrderPage]:
        """List the orders of which all that is given is true, the latest first.

        The index is about a second behind the log. A page is followed by the next one through `cursor`, with the same
        other parameters; an order that is placed meanwhile moves nothing.
        """
        wanted, limit = read_query(request.scope["query_string"])
        matching = await find(wanted, limit + 1)
        page, more = matching[:limit], len(matching) > limit
        orders = [
            ListedOrder(order.order_id, order.placed_at_ms, order.customer_id, order.reference, order.state, order.skus)
            for order in page
        ]
        cursor = write_cursor(page[-1].placed_at_ms, page[-1].order_id) if more else None
        return Response(OrderPage(orders, cursor), headers={"Cache-Control": "no-store"})

    return [list_orders]


class OrderFinder:
    """Asks the index in PostgreSQL."""

    def __init__(self, dsn: str) -> None:
        self._database = Database(dsn, "api")

    async def __call__(self, wanted: OrderQuery, limit: int) -> list[IndexedOrder]:
        """Return at most `limit` orders. Raises ProblemError."""

        async def work(connection: asyncpg.Connection) -> list[IndexedOrder]:
            return await find_orders(connection, wanted, limit)

        try:
            return await self._database.run("find", work)
        except ConnectionLostError as error:
            raise unavailable("Orders cannot be looked up: PostgreSQL does not answer.") from error

    async def close(self) -> None:
        """Close the connection."""
        await self._database.close()


def read_query(query_string: bytes) -> tuple[OrderQuery, int]:
    """Return what is sought, and how many. Raises ProblemError with every parameter that cannot be used."""
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, encoding="utf-8", errors="strict")
    except UnicodeDecodeError as error:
        raise ProblemError(BAD_PARAMETER, "the parameters are no UTF-8") from error
    given = dict(pairs)
    counted = Counter(name for name, _ in pairs)
    faults: list[Fault] = [
        Fault(f"is unknown; known are {', '.join(_KNOWN)}", parameter=name[:100])
        for name in given
        if name not in _KNOWN
    ]
    faults += [Fault("came more than once", parameter=name) for name in _KNOWN if counted[name] > 1]
    fields: dict[str, Any] = {}
    limit = DEFAULT_LIMIT
    for name, value in given.items():
        try:
            if name in _TEXTS:
                fields[_TEXTS[name]] = _text(value)
            elif name == "state":
                fields["state"] = OrderState(value)
            elif name in ("from", "to"):
                fields["from_ms" if name == "from" else "until_ms"] = _time_ms(value)
            elif name == "cursor":
                fields["after"] = read_cursor(value)
            elif name == "limit":
                limit = msgspec.convert(value, _Limit, strict=False)
        except (ValueError, OverflowError) as error:
            faults.append(Fault(str(error) or "cannot be used", parameter=name))
    if faults:
        raise ProblemError(
            BAD_PARAMETER, "; ".join(f"{fault.parameter}: {fault.detail}" for fault in faults[:3]), errors=faults
        )
    return OrderQuery(**fields), limit


_Limit: Final = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)]


def write_cursor(placed_at_ms: int, order_id: str) -> str:
    """Return where a page ends, for the next one."""
    return base64.urlsafe_b64encode(f"{placed_at_ms}/{order_id}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[int, str]:
    """Return the order that a page ended with. Raises ValueError."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError) as error:
        raise ValueError("is no cursor of a page here") from error
    placed, _, order_id = plain.partition("/")
    if not (placed.isascii() and placed.isdigit() and len(placed) < 16 and is_order_id(order_id)):  # noqa: PLR2004  ms
        raise ValueError("is no cursor of a page here")
    return int(placed), order_id


def _text(value: str) -> str:
    if not 0 < len(value) <= MAX_TEXT or "\0" in value:
        raise ValueError(f"expected 1 to {MAX_TEXT} characters")
    return value


def _time_ms(value: str) -> int:
    try:
        moment = msgspec.convert(value, datetime, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError("expected a time such as 2026-11-30T12:00:00Z") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)
