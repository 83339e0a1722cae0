"""What a replay's rows are, table by table, and how they are held against the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from infra.ops.audit.facts import subject_of
from infra.ops.audit.rows import (
    AttemptRow,
    FulfilmentRow,
    HoldRow,
    MovementRow,
    OrderRow,
    PaymentRow,
    PurchaseRow,
    StockRow,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from infra.ops.audit.report import Tally


Row = tuple[Any, ...]
_decode_parts: Final = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode


class Table(NamedTuple):
    """Where a table's new rows stand among the parameters of a room's `save`: from column `first` on."""

    name: str
    first: int
    row: Callable[..., Row]
    width: int
    keys: int


def _order(*columns: Any) -> OrderRow:
    *head, lines, deadline_ms, updated_at_ms = columns
    return OrderRow._make((*head, _decode_parts(lines), deadline_ms, updated_at_ms))


def _fulfilment(*columns: Any) -> FulfilmentRow:
    order_id, partition, state, at_shipping, is_lapsed, is_returned, ship_by_ms, lines, shipments, returns, *tail = (
        columns
    )
    head = (order_id, partition, state, at_shipping, is_lapsed, is_returned, ship_by_ms)
    return FulfilmentRow._make((*head, *map(_decode_parts, (lines, shipments, returns)), *tail))


TABLES: Final[dict[str, tuple[Table, ...]]] = {
    "inventory": (
        Table("holds", 0, HoldRow, 9, 3),
        Table("stock", 13, StockRow, 10, 1),
        Table("movements", 32, MovementRow, 11, 3),
        Table("purchases", 43, PurchaseRow, 4, 2),
    ),
    "orders": (Table("orders", 0, _order, 13, 1),),
    "fulfilment": (Table("fulfilments", 0, _fulfilment, 15, 1),),
    "notifications": (),
    "intake": (),
    "payments": (Table("payments", 0, PaymentRow, 21, 1), Table("attempts", 37, AttemptRow, 9, 1)),
}


def without(room: str, by_table: dict[str, list[Any]], subjects: Collection[str]) -> dict[str, list[Any]]:
    """Return the rows that are about none of these SKUs or orders."""
    if not subjects:
        return by_table
    return {name: [row for row in rows if subject_of(room, row) not in subjects] for name, rows in by_table.items()}


def compare_rows(
    room: str, replayed: Mapping[str, Iterable[Row]], stored: Mapping[str, Iterable[Row]], tally: Tally
) -> set[str]:
    """Hold the replay's state against the tables, row by row; return the orders, SKUs and commands whose rows differ."""
    differing: set[str] = set()
    for table in TABLES[room]:
        expected = {row[: table.keys]: row for row in replayed[table.name]}
        tally.count(rows=len(expected))
        for row in stored[table.name]:
            wanted = expected.pop(row[: table.keys], None)
            if wanted is None:
                tally.breach(f"{table.name} has {_key(row, table)}, of which the log knows nothing")
            elif wanted != row:
                tally.breach(f"{table.name} {_key(row, table)}: {_difference(wanted, row)}")
                differing.add(_subject(row))
        for row in expected.values():
            tally.breach(f"{table.name} lacks {_key(row, table)}, which the log gives")
            if not isinstance(row, MovementRow):
                differing.add(_subject(row))
            elif row.sku in differing:  # a movement that its level knows of was deleted
                differing.add(row.command_id)
    return differing


def _subject(row: Any) -> str:
    """Return the order, or else the SKU, that a row is about."""
    order_id = getattr(row, "order_id", None)
    return str(row.sku if order_id is None else order_id)


def _key(row: Row, table: Table) -> str:
    return " ".join(map(str, row[: table.keys]))


def _difference(wanted: Row, row: Row) -> str:
    names = getattr(row, "_fields", tuple(map(str, range(len(row)))))
    return "; ".join(
        f"{name} is {is_}, the log gives {should}"
        for name, is_, should in zip(names, row, wanted, strict=True)
        if is_ != should
    )
