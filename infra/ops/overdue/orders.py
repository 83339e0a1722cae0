"""What waits, for what, since when and until when: every order that has not come to rest, with what a person can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import msgspec

from consumers.runtime.postgres.sql import load_queries

QUERIES: Final = load_queries("infra.ops.overdue")

OURSELVES: Final = "nothing to do: it goes on by itself; if it does not, see that the rooms run"
WHAT_TO_DO: Final = {
    (
        "order",
        "pending",
    ): "nothing to do: it ends with the first hold that ends, or at its deadline; or `lastunit order cancel`",
    ("payment", "requires_action"): "the customer confirms the payment, or its time runs out",
    ("payment", "lapsed"): "`lastunit order retry` asks for the money again; else `lastunit order cancel`",
    ("payment", "void_failed"): "`lastunit order retry`, or void it at the processor and `lastunit order resolve`",
    ("payment", "refund_failed"): "`lastunit order retry`, or pay it back by hand and `lastunit order resolve`",
    ("fulfilment", "open"): "ship it: `lastunit order ship`",
    ("fulfilment", "partly_shipped"): "ship the rest, or `lastunit order deliver` or `lost` for each parcel",
    ("fulfilment", "shipped"): "`lastunit order deliver` or `lastunit order lost`, parcel by parcel",
    ("fulfilment", "delivered"): "see to its returns: `lastunit order return approve | refuse | receive`",
}
"""By axis and state."""


class Stuck(msgspec.Struct):
    """One order on one axis, or one partition of a log (`order_id` is None, `axis` is "partition").

    `since_ms` and `deadline_ms` are ms since the epoch, UTC; without a deadline it is None. `missing` are the lines of a
    pending order that inventory has not answered, `cause` says why where the log shows it.
    """

    order_id: str | None
    axis: str
    state: str
    waits_for: str
    since_ms: int
    deadline_ms: int | None
    what_to_do: str
    missing: list[int] = []
    cause: str = ""


async def waiting_orders(
    connection: asyncpg.Connection, *, before_ms: int, order_id: str | None = None, limit: int = 1_000
) -> list[Stuck]:
    """Return what has waited since before `before_ms` (ms since the epoch, UTC), the longest first."""
    rows: Sequence[Any] = await connection.fetch(QUERIES["waiting_orders"], before_ms, order_id, limit)
    return [
        Stuck(what_to_do=_advice(row["axis"], row["state"]), **{**row, "order_id": str(row["order_id"])})
        for row in rows
    ]


def _advice(axis: str, state: str) -> str:
    return WHAT_TO_DO.get((axis, state), OURSELVES)
