"""The room's tables as dicts, and what PostgreSQL does to them in one statement: all of it, or an error and nothing.

`answer` serves the room's own queries, so that `store.load` itself can be run on them, thousands of times a second. The
SQL is tested where there is PostgreSQL (tests/stack).
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from consumers.inventory import store
from consumers.runtime.room import Changes

HoldKey = tuple[str, int, str]
WIDTHS = (7, 4, 5, 4, 6)
"""Columns of holds placed, holds turned, SKUs stocked, SKUs levelled and movements, in the order of `save`."""


class UniqueViolationError(Exception):
    """A row with this key exists; nothing was applied."""


class Tables:
    """`holds`, `stock` and `movements` of one partition."""

    def __init__(self) -> None:
        self.holds: dict[HoldKey, dict[str, Any]] = {}
        self.stock: dict[str, dict[str, int]] = {}
        self.movements: dict[tuple[str, str], dict[str, Any]] = {}

    def save(self, changes: Changes) -> None:
        """Apply one batch. Raises UniqueViolationError; asserts what no memory may ever get wrong."""
        before = deepcopy((self.holds, self.stock, self.movements))
        try:
            placed, turned, stocked, levelled, moved = _rows(changes)
            for order_id, line, sku, partition, quantity, state, expires_at_ms in placed:
                row = {"partition": partition, "quantity": quantity, "state": state, "expires_at_ms": expires_at_ms}
                _insert(self.holds, (order_id, line, sku), row)
            for order_id, line, sku, state in turned:
                self.holds[order_id, line, sku]["state"] = state
            for sku, _, on_hand, reserved, allocated in stocked:
                _insert(self.stock, sku, {"on_hand": on_hand, "reserved": reserved, "allocated": allocated})
            for sku, on_hand, reserved, allocated in levelled:
                level = self.stock[sku]
                level["on_hand"] += on_hand
                level["reserved"] += reserved
                level["allocated"] += allocated
            for command_id, sku, _, kind, quantity, at_ms in moved:
                _insert(self.movements, (command_id, sku), {"kind": kind, "quantity": quantity, "at_ms": at_ms})
        except UniqueViolationError:
            self.holds, self.stock, self.movements = before
            raise
        self._check(turned, levelled)

    def _check(self, turned: list[Any], levelled: list[Any]) -> None:
        for sku, level in self.stock.items():
            assert level["reserved"] >= 0 <= level["allocated"], sku
            assert level["reserved"] + level["allocated"] <= level["on_hand"], sku
        assert len({tuple(key) for *key, _ in turned}) == len(turned), "UPDATE ... FROM applies one row of two"
        assert len({row[0] for row in levelled}) == len(levelled), "UPDATE ... FROM applies one row of two"

    def sums_agree(self) -> bool:
        """Tell whether each level is what its holds and movements add up to (DESIGN 6, 2)."""
        return all(
            level
            == {
                "on_hand": sum(row["quantity"] for key, row in self.movements.items() if key[1] == sku),
                "reserved": self._held(sku, 0),
                "allocated": self._held(sku, 1),
            }
            for sku, level in self.stock.items()
        )

    def _held(self, sku: str, state: int) -> int:
        return sum(row["quantity"] for key, row in self.holds.items() if key[2] == sku and row["state"] == state)

    # --- as a connection --------------------------------------------------------------------------------------------------

    async def fetch(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        if query == store.QUERIES["load_stock"]:
            return [{"sku": sku, **self.stock[sku]} for sku in arguments[0] if sku in self.stock]
        if query == store.QUERIES["load_holds"]:
            return [_hold(key, self.holds[key]) for key in zip(*arguments, strict=True) if key in self.holds]
        if query == store.QUERIES["load_commands"]:
            keys = zip(*arguments, strict=True)
            return [{"command_id": key[0], "sku": key[1]} for key in keys if key in self.movements]
        assert query == store.QUERIES["load_due"]
        _, as_of_ms, limit = arguments
        assert limit >= 0, "LIMIT must not be negative"
        due = sorted((row["expires_at_ms"], key) for key, row in self._held_rows() if row["expires_at_ms"] <= as_of_ms)
        return [_hold(key, self.holds[key]) for _, key in due[:limit]]

    async def fetchval(self, query: str, *arguments: Any) -> int | None:
        assert query == store.QUERIES["earliest_expiry"]
        after_ms = arguments[1]
        return min(
            (row["expires_at_ms"] for _, row in self._held_rows() if row["expires_at_ms"] > after_ms), default=None
        )

    def _held_rows(self) -> Iterator[tuple[HoldKey, dict[str, Any]]]:
        return ((key, row) for key, row in self.holds.items() if row["state"] == 0)


def _insert(table: dict[Any, Any], key: Any, row: dict[str, Any]) -> None:
    if key in table:
        raise UniqueViolationError(key)
    table[key] = row


def _rows(changes: Changes) -> list[list[tuple[Any, ...]]]:
    """Return the five lists of rows that the columns are made of."""
    columns = iter(changes.columns)
    found = [list(zip(*(next(columns) for _ in range(width)), strict=True)) for width in WIDTHS]
    assert next(columns, None) is None
    return found


def _hold(key: HoldKey, row: dict[str, Any]) -> dict[str, Any]:
    order_id, line, sku = key
    return {"order_id": order_id, "line": line, "sku": sku, **row}
