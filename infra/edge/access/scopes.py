"""What a key or a token may allow, by the kind of command. A route names the one that it demands; nothing implies another."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ORDERS_READ: Final = "orders:read"
ORDERS_WRITE: Final = "orders:write"
FULFILMENT_WRITE: Final = "fulfilment:write"
REFUNDS_WRITE: Final = "refunds:write"
STOCK_READ: Final = "stock:read"
STOCK_WRITE: Final = "stock:write"
SALES_WRITE: Final = "sales:write"
CONSOLE_READ: Final = "console:read"
CONSOLE_OPERATE: Final = "console:operate"

SCOPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ORDERS_READ: "orders, lists of them and their events",
        ORDERS_WRITE: "place orders, one or many, and cancel them",
        FULFILMENT_WRITE: "parcels and returns",
        REFUNDS_WRITE: "give money back, and what operators do about money",
        STOCK_READ: "levels of stock",
        STOCK_WRITE: "receipts, counts, quarantine",
        SALES_WRITE: "purchase limits; take a SKU off sale, put it on sale, retire it",
    }
)
"""Every scope of the HTTP API with what it allows."""
CONSOLE_SCOPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        CONSOLE_READ: "the operator console's pages and metrics (a viewer)",
        CONSOLE_OPERATE: "what its pages can do, together with console:read (an operator)",
    }
)
"""Those of the operator console. No route of the API demands one."""
ALL_SCOPES: Final[Mapping[str, str]] = MappingProxyType({**SCOPES, **CONSOLE_SCOPES})
