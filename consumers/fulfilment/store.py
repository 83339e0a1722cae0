"""Loads the fulfilments that a batch is about, and lists what it changed: one row an order, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from consumers.fulfilment.fulfilment import Fulfilment, Line, Return, Shipment
from consumers.runtime.alarm import Waits
from consumers.runtime.room import Changes
from consumers.runtime.sql import array_literal, columns, load_queries
from schemas import messages as m
from schemas.ids import is_order_id
from topology.states import FulfilmentState

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from schemas.messages import Message

QUERIES: Final = load_queries("consumers.fulfilment", arrays_as_text=True)
ROOM: Final = "fulfilment"
MAX_WAITS: Final = 200
"""Fulfilments whose waits one command ends: each may have thousands of lines."""

_decode_lines: Final = msgspec.json.Decoder(dict[int, Line]).decode
_decode_shipments: Final = msgspec.json.Decoder(dict[str, Shipment]).decode
_decode_returns: Final = msgspec.json.Decoder(dict[str, Return]).decode
_encode: Final = msgspec.json.Encoder().encode


class FulfilmentBook:
    """The fulfilments of one partition, as far as they are loaded; `changed` collects the open batch.

    `lines` counts the lines in memory at least, `waits` has those that time ends.
    """

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.waits = Waits()
        self.changed: set[str] = set()
        self.forget()

    def forget(self) -> None:
        """Empty the memory; what is needed again gets loaded."""
        self.fulfilments: dict[str, Fulfilment] = {}
        self.lines = 0
        self.waits.forget()

    def fulfilment(self, order_id: str) -> Fulfilment:
        """Return a fulfilment to decide on; of what is not to be shipped there is none."""
        found = self.fulfilments.get(order_id)
        return found if found is not None else Fulfilment()

    def keep(self, order_id: str, fulfilment: Fulfilment) -> None:
        """Take a fulfilment into memory, or the one that it has become."""
        if order_id not in self.fulfilments:
            self.lines += len(fulfilment.lines)
        self.fulfilments[order_id] = fulfilment
        self.waits.put(order_id, fulfilment.deadline_ms)


async def load(
    connection: asyncpg.Connection, loads: Sequence[tuple[FulfilmentBook, Sequence[Message]]], *, thorough: bool
) -> None:
    """Bring in the fulfilments that these messages are about and memory lacks.

    What begins one is not looked for: a duplicate then tries to insert its row again, and the unique violation brings us
    back here, `thorough`. Nor is what only concerns the whole order's money.
    """
    missing: dict[str, FulfilmentBook] = {}
    lapsed: dict[str, FulfilmentBook] = {}
    for book, messages in loads:
        for message in messages:
            if isinstance(message, m.EndWaits):
                if message.room == ROOM:
                    await _load_due(connection, book, message)
                continue
            order_id: str = message.order_id  # type: ignore[attr-defined]  # every other message has one
            if order_id not in book.fulfilments and (thorough or not is_no_news(message)):
                (lapsed if isinstance(message, m.PaymentAuthorized) else missing)[order_id] = book
    for query, wanted in (("load_lapsed", lapsed), ("load_fulfilments", missing)):
        await _load(connection, query, wanted)


async def _load(connection: asyncpg.Connection, query: str, books: dict[str, FulfilmentBook]) -> None:
    known = [order_id for order_id in books if is_order_id(order_id)]
    if not known:
        return
    for row in await connection.fetch(QUERIES[query], array_literal(known)):
        order_id = str(row["order_id"])
        books[order_id].keep(order_id, _fulfilment(row))


def is_no_news(message: Message) -> bool:
    """Tell whether nothing has to be known of an order to answer a message: it begins, or is about all of its money."""
    if isinstance(message, m.PaymentCaptured | m.PaymentCaptureFailed):
        return not message.reference
    return isinstance(message, m.OrderPaid | m.OrderPlaced)


async def load_earliest(connection: asyncpg.Connection, book: FulfilmentBook, after_ms: int = -1) -> None:
    """Learn when the next wait of this partition is over."""
    book.waits.earliest_ms = await connection.fetchval(QUERIES["earliest_deadline"], book.partition, after_ms)


async def _load_due(connection: asyncpg.Connection, book: FulfilmentBook, command: m.EndWaits) -> None:
    limit = max(0, min(command.limit, MAX_WAITS))
    rows = await connection.fetch(QUERIES["load_due"], book.partition, command.as_of_ms, limit)
    for row in rows:
        if (order_id := str(row["order_id"])) not in book.fulfilments:
            book.keep(order_id, _fulfilment(row))
    if len(rows) < limit:
        await load_earliest(connection, book, command.as_of_ms)
    book.waits.answered()


def _fulfilment(row: asyncpg.Record) -> Fulfilment:
    return Fulfilment(
        order_id=str(row["order_id"]),
        state=FulfilmentState(row["state"]),
        captures_at_shipping=row["captures_at_shipping"],
        is_lapsed=row["is_lapsed"],
        is_returned=row["is_returned"],
        ship_by_ms=row["ship_by_ms"],
        lines=_decode_lines(row["lines"]),
        shipments=_decode_shipments(row["shipments"]),
        returns=_decode_returns(row["returns"]),
        waits_for=row["waits_for"],
        deadline_ms=row["deadline_ms"],
        updated_at_ms=row["updated_at_ms"],
        is_stored=True,
    )


def changes(book: FulfilmentBook) -> Changes:
    """Return the batch's changes as columns for `save`."""
    begun: list[tuple[Any, ...]] = []
    went_on: list[tuple[Any, ...]] = []
    for order_id in book.changed:
        it = book.fulfilments[order_id]
        goods = (_json(it.lines), _json(it.shipments), _json(it.returns))
        tail = (*goods, it.waits_for, it.deadline_ms, it.updated_at_ms)
        if it.is_stored:
            went_on.append((order_id, it.state.value, it.is_lapsed, it.is_returned, *tail))
            continue
        head = (order_id, book.partition, it.state.value, it.captures_at_shipping, it.is_lapsed, it.is_returned)
        begun.append((*head, it.ship_by_ms, *tail))
        it.is_stored = True
    book.changed = set()
    return Changes((*columns(begun, 13), *columns(went_on, 10)))


def _json(parts: dict[Any, Any]) -> str:
    return _encode(parts).decode() if parts else "{}"
