"""The room's tables as dicts, and what PostgreSQL does to them in one statement: all of it, or an error and nothing.

`answer` serves the room's own queries, so that `store.load` itself can be run on them, thousands of times a second. The
SQL is tested where there is PostgreSQL (tests/stack).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from typing_extensions import override

from consumers.inventory import store
from consumers.runtime.room import Changes
from schemas.ids import command_uuid

HoldKey = tuple[str, int, str]
WIDTHS = (9, 4, 10, 9, 11, 4)
"""Columns of holds placed, holds turned, SKUs stocked, SKUs levelled, movements and counts, in the order of `save`."""
UNITS = ("on_hand", "reserved", "allocated", "quarantined")
OF_A_HOLD = ("quantity", "state", "expires_at_ms", "buyer", "cart")
OF_A_MOVEMENT = ("kind", "quantity", "quarantined", "order_id", "line", "note", "at_ms")
RULES = ("purchase_limit", "is_suspended", "is_retired", "parking")


class UniqueViolationError(Exception):
    """A row with this key exists; nothing was applied."""


class Tables:
    """`holds`, `stock`, `movements` and `purchases` of one partition."""

    def __init__(self) -> None:
        self.holds: dict[HoldKey, dict[str, Any]] = {}
        self.stock: dict[str, dict[str, Any]] = {}
        self.movements: dict[tuple[str, str], dict[str, Any]] = {}
        self.purchases: dict[tuple[str, str], int] = {}

    def save(self, changes: Changes) -> None:
        """Apply one batch. Raises UniqueViolationError; asserts what no memory may ever get wrong."""
        before = deepcopy((self.holds, self.stock, self.movements, self.purchases))
        try:
            placed, updated_holds, stocked, levelled, moved, counted = _rows(changes)
            for order_id, line, sku, _, *rest in placed:
                _insert(self.holds, (order_id, line, sku), dict(zip(OF_A_HOLD, rest, strict=True)))
            for order_id, line, sku, state in updated_holds:
                self.holds[order_id, line, sku]["state"] = state
            for sku, _, *rest in stocked:
                _insert(self.stock, sku, dict(zip((*UNITS, *RULES), rest, strict=True)))
            for sku, *rest in levelled:
                level = self.stock[sku]
                changes_of_units = dict(zip(UNITS, rest, strict=False))
                level |= {name: level[name] + change for name, change in changes_of_units.items()}
                level |= dict(zip(RULES, rest[len(UNITS) :], strict=True))
            for uuid, command_id, sku, _, *rest in moved:
                assert uuid == (rest[3] or command_uuid(command_id))
                _insert(self.movements, (command_id, sku), dict(zip(OF_A_MOVEMENT, rest, strict=True)))
            self._count(counted)
        except UniqueViolationError:
            self.holds, self.stock, self.movements, self.purchases = before
            raise
        self._check(updated_holds, levelled)

    def _count(self, counted: list[Any]) -> None:
        for sku, customer_id, _, units in counted:
            assert units > 0 or (sku, customer_id) in self.purchases, "what was never counted cannot be given back"
            self.purchases[sku, customer_id] = self.purchases.get((sku, customer_id), 0) + units
            assert self.purchases[sku, customer_id] >= 0, (sku, customer_id)
        assert len({tuple(row[:2]) for row in counted}) == len(counted), "UPDATE ... FROM applies one row of two"

    def _check(self, updated_holds: list[Any], levelled: list[Any]) -> None:
        for sku, level in self.stock.items():
            on_hand, *parts = (level[name] for name in UNITS)
            assert min(parts) >= 0, sku
            assert sum(parts) <= on_hand, sku
            assert not level["is_retired"] or on_hand == 0, sku
        assert len({tuple(key) for *key, _ in updated_holds}) == len(updated_holds), (
            "UPDATE ... FROM applies one row of two"
        )
        assert len({row[0] for row in levelled}) == len(levelled), "UPDATE ... FROM applies one row of two"

    def sums_agree(self) -> bool:
        """Tell whether each level and count is what its holds and movements add up to."""
        bought = {
            buyer: sum(
                row["quantity"]
                for key, row in self.holds.items()
                if (key[2], row["buyer"]) == buyer and row["state"] in (0, 1, 5)
            )
            for buyer in self.purchases
        }
        return bought == self.purchases and all(
            [level[name] for name in UNITS]
            == [self._moved(sku, "quantity"), self._held(sku, 0), self._held(sku, 1), self._moved(sku, "quarantined")]
            for sku, level in self.stock.items()
        )

    def _moved(self, sku: str, column: str) -> int:
        return sum(row[column] for key, row in self.movements.items() if key[1] == sku)

    def _held(self, sku: str, state: int) -> int:
        return sum(row["quantity"] for key, row in self.holds.items() if key[2] == sku and row["state"] == state)

    # --- as a connection --------------------------------------------------------------------------------------------------

    async def fetch(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        arguments: list[Any] = [
            _elements(parameter) if isinstance(parameter, str) else parameter for parameter in parameters
        ]
        if query == store.QUERIES["load_stock"]:
            return [_Row(sku=sku, **self.stock[sku]) for sku in arguments[0] if sku in self.stock]
        if query == store.QUERIES["load_holds"]:
            return [_hold(key, self.holds[key]) for key in zip(*arguments, strict=True) if key in self.holds]
        if query == store.QUERIES["load_commands"]:
            keys = [key[1:] for key in zip(*arguments, strict=True)]
            return [
                {"command_id": key[0], "sku": key[1], **self.movements[key]} for key in keys if key in self.movements
            ]
        if query == store.QUERIES["load_carts"]:
            carts, skus = arguments
            return [_hold(key, row) for key, row in self._held_rows() if row["cart"] in carts and key[2] in skus]
        if query == store.QUERIES["load_purchases"]:
            buyers = [buyer for buyer in zip(*arguments, strict=True) if buyer in self.purchases]
            return [{"sku": sku, "customer_id": who, "units": self.purchases[sku, who]} for sku, who in buyers]
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


def _elements(array: str) -> list[Any]:
    """Read an array as PostgreSQL writes it: within its braces JSON and PostgreSQL agree on texts and integers."""
    elements: list[Any] = json.loads(f"[{array[1:-1]}]", strict=False)
    return elements


class _Row(dict[str, Any]):
    """A row that unpacks into its values, as asyncpg's do."""

    @override
    def __iter__(self) -> Iterator[Any]:
        return iter(self.values())


def _insert(table: dict[Any, Any], key: Any, row: dict[str, Any]) -> None:
    if key in table:
        raise UniqueViolationError(key)
    table[key] = row


def _rows(changes: Changes) -> list[list[tuple[Any, ...]]]:
    """Return the five lists of rows that the columns are made of."""
    columns = iter(changes.columns)
    rows = [list(zip(*(next(columns) for _ in range(width)), strict=True)) for width in WIDTHS]
    assert next(columns, None) is None
    return rows


def _hold(key: HoldKey, row: dict[str, Any]) -> dict[str, Any]:
    order_id, line, sku = key
    return {"order_id": order_id, "line": line, "sku": sku, **row}
