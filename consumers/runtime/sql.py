"""Reads a room's `queries.sql`: statements, each after a line `-- name: <name>`."""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- name: *(\w+) *$", re.MULTILINE)


def load_queries(package: str) -> dict[str, str]:
    """Return name -> statement of `queries.sql` in `package`."""
    text = resources.files(package).joinpath("queries.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    return {name: statement.strip().rstrip(";") for name, statement in zip(parts[::2], parts[1::2], strict=True)}
