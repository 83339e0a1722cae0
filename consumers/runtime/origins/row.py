"""The row of a room, as far as a confirmation reads it."""

from __future__ import annotations

from typing import Any, Protocol


class Row(Protocol):
    """A row as asyncpg returns it, or a dictionary."""

    def __getitem__(self, column: str, /) -> Any:
        """Return the value of a column."""
