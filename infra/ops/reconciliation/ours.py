"""Reads our side: the payments of orders, and the authorisations that the processor did not list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg

from consumers.payments import store
from consumers.runtime.postgres.sql import array_literal, load_queries
from infra.base.errors import InfraError
from infra.ops.reconciliation.plan import Known, known_of
from schemas.ids import NIL_UUID, is_order_id, order_id_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Sequence

QUERIES: Final = load_queries("infra.ops.reconciliation")
CHUNK: Final = 500
"""Payments that are looked up, compared and forgotten together."""


class Authorization(NamedTuple):
    """An authorisation, by its order and its name at the processor."""

    order_id: str
    authorization_id: str


class OurBooks:
    """What the database has of payments. Which authorisations the processor has listed is kept there, not in memory."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._dropped: list[tuple[int, int]] = []

    async def begin(self) -> None:
        """Prepare to remember what the processor has listed; read which weeks were dropped whole. Raises InfraError."""
        try:
            await self._connection.execute(QUERIES["make_seen"])
        except (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError) as error:
            raise InfraError(
                f"PostgreSQL refuses a temporary table, in which the processor's list is kept ({error}). Use the primary, and "
                "a role that has the right TEMPORARY on the database."
            ) from error
        self._dropped = [tuple(row) for row in await self._connection.fetch(QUERIES["dropped"])]

    async def known(self, order_ids: Iterable[str]) -> dict[str, Known]:
        """Return what is known of these orders, as of one moment."""
        ids = sorted({each for each in order_ids if is_order_id(each)})
        if not ids:
            return {}
        async with self._connection.transaction(isolation="repeatable_read", readonly=True):
            orders = await self._connection.fetch(QUERIES["orders"], ids)
            rows = await self._connection.fetch(store.QUERIES["load_orders"], array_literal(ids))
            payments = await store.read_payments(self._connection, rows)
        without = {row["order_id"]: known_of(None) for row in orders}
        return without | {payment.order_id: known_of(payment) for payment in payments}

    def is_forgotten(self, order_id: str) -> bool:
        """Tell whether orders of this id's time were dropped, once nothing of them was open any more."""
        at_ms = order_id_ms(order_id)
        return any(from_ms <= at_ms < until_ms for from_ms, until_ms in self._dropped)

    async def owners(self, authorization_ids: Collection[str]) -> list[Authorization]:
        """Return the orders that stand for these authorisations, whatever order the processor names."""
        rows = await self._connection.fetch(QUERIES["owners"], list(authorization_ids))
        return [Authorization(row["order_id"], row["authorization_id"]) for row in rows]

    async def see(self, authorization_ids: Sequence[str]) -> None:
        """Remember that the processor has listed these as their orders'."""
        await self._connection.execute(QUERIES["see"], list(authorization_ids))

    async def unseen(self, since_ms: int, chunk: int = CHUNK) -> AsyncIterator[list[Authorization]]:
        """Iterate over the authorisations asked for at `since_ms` or later that the processor did not list, in chunks."""
        order_id, operation_id = NIL_UUID, ""
        while rows := await self._connection.fetch(QUERIES["unseen"], since_ms, order_id, operation_id, chunk):
            order_id, operation_id = rows[-1]["order_id"], rows[-1]["operation_id"]
            yield [Authorization(row["order_id"], row["authorization_id"]) for row in rows]
