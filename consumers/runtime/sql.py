"""Reads a room's `queries.sql` (statements, each after a line `-- name: <name>`) and shapes rows for them."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME: Final = re.compile(r"^-- name: *(\w+) *$", re.MULTILINE)


def load_queries(package: str) -> dict[str, str]:
    """Return name -> statement of `queries.sql` in `package`."""
    text = resources.files(package).joinpath("queries.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    return {name: statement.strip().rstrip(";") for name, statement in zip(parts[::2], parts[1::2], strict=True)}


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Turn rows into the `width` lists that `unnest` takes; no rows make empty ones."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
