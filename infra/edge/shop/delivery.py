"""Where orders go: addresses in a table of their own, found by the id of their order, which is all that the log has of them.

Decision: docs/decisions, 048.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.runtime.postgres.database import ConnectionLostError, Database
from consumers.runtime.postgres.sql import load_queries
from schemas.texts import find_text_fault
from topology.states import CLOSED_ORDER_STATES, OrderState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    import asyncpg

QUERIES: Final = load_queries("infra.edge.shop")
_is_country: Final = re.compile(r"[A-Z]{2}").fullmatch
FIELDS: Final = (
    ("name", "Name", "name"),
    ("street", "Street and number", "street-address"),
    ("postcode", "Postcode", "postal-code"),
    ("city", "Town", "address-level2"),
    ("country", "Country, two letters as in GB", "country"),
)
"""The fields of an address: its name here, for people, and as browsers fill it in (HTML, autocomplete)."""
GONE: Final = CLOSED_ORDER_STATES | {OrderState.SHIPPED}
"""Where nothing of an order will leave the house any more, so that its address may go."""


class AddressesUnavailableError(Exception):
    """PostgreSQL does not answer: no address can be read or stored now."""


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a parcel goes. `country` is ISO 3166-1 alpha-2."""

    name: str
    street: str
    postcode: str
    city: str
    country: str

    def faults(self) -> dict[str, str]:
        """Return what is wrong, by field: all of it at once."""
        faults = {}
        for field, _, _ in FIELDS:
            if (fault := find_text_fault(getattr(self, field))) is not None:
                faults[field] = fault
        if "country" not in faults and not _is_country(self.country):
            faults["country"] = "is no country code of two letters, such as GB"
        return faults

    @property
    def rows(self) -> list[str]:
        """The address as it is written on a parcel."""
        return [self.name, self.street, f"{self.postcode} {self.city}", self.country]


def address_in(form: Mapping[str, object]) -> Address | None:
    """Return the address of a form, blanks trimmed; None where it has no such fields."""
    if not any(field in form for field, _, _ in FIELDS):
        return None
    texts = {field: " ".join(str(form.get(field, "")).split()) for field, _, _ in FIELDS}
    return Address(**{**texts, "country": texts["country"].upper()})


def fields_of(address: Address | None, faults: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the fields of a form: what stands in them, and what is wrong with it."""
    return [
        {
            "name": name,
            "label": label,
            "autocomplete": autocomplete,
            "value": "" if address is None else getattr(address, name),
            "fault": faults.get(name, ""),
        }
        for name, label, autocomplete in FIELDS
    ]


class Addresses:
    """Keeps addresses in PostgreSQL. Its methods raise AddressesUnavailableError."""

    def __init__(self, dsn: str) -> None:
        self._database = Database(dsn, "shop")
        self._one_statement = asyncio.Lock()  # one statement at a time on the connection

    async def store(self, order_id: str, buyer_id: str, address: Address) -> None:
        """Store an order's address; the first one of an order stays."""
        values = (order_id, buyer_id, *msgspec.structs.astuple(address))
        await self._run(lambda connection: connection.execute(QUERIES["store_address"], *values))

    async def of_order(self, order_id: str) -> Address | None:
        """Return where an order goes."""
        address: Address | None = await self._run(lambda connection: address_of(connection, order_id))
        return address

    async def latest(self, buyer_id: str) -> Address | None:
        """Return where a buyer's latest order went."""
        return _read(await self._run(lambda connection: connection.fetchrow(QUERIES["latest_address"], buyer_id)))

    async def order_ids(self, buyer_id: str) -> list[str]:
        """Return the orders of a buyer that have an address."""
        rows = await self._run(lambda connection: connection.fetch(QUERIES["orders_with_address"], buyer_id))
        return [str(row["order_id"]) for row in rows]

    async def erase(self, buyer_id: str, order_ids: Collection[str]) -> int:
        """Erase a buyer's addresses of these orders; return how many."""
        status = await self._run(
            lambda connection: connection.execute(QUERIES["erase_addresses"], buyer_id, list(order_ids))
        )
        return int(str(status).rpartition(" ")[2])

    async def _run(self, work: Callable[[asyncpg.Connection], Awaitable[Any]]) -> Any:
        try:
            async with self._one_statement:
                return await self._database.run("addresses", work)
        except ConnectionLostError as error:
            raise AddressesUnavailableError(str(error)) from error

    async def close(self) -> None:
        """Close the connection."""
        await self._database.close()


async def address_of(connection: asyncpg.Connection, order_id: str) -> Address | None:
    """Return where an order goes; None where there is no address of it (any more)."""
    return _read(await connection.fetchrow(QUERIES["address_of_order"], order_id))


def _read(row: asyncpg.Record | None) -> Address | None:
    return None if row is None else Address(**dict(row))
