"""Which rooms and partitions an operator has paused (pausing.py acts on it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Pauses:
    """Rooms and partitions as of the latest look; a partition of None is every one of its room."""

    def __init__(self) -> None:
        self._rows: frozenset[tuple[str, int | None]] = frozenset()

    def replace(self, rows: Iterable[tuple[str, int | None]]) -> bool:
        """Take what was read; return whether anything has changed."""
        before, self._rows = self._rows, frozenset(rows)
        return self._rows != before

    def cover(self, room: str, partition: int) -> bool:
        """Tell whether a partition of a room is paused."""
        return bool(self._rows) and not self._rows.isdisjoint({(room, None), (room, partition)})
