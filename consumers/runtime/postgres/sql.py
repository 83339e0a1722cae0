"""Reads a room's `queries.sql` (statements, each after a line `-- name: <name>`) and shapes rows for them.

Decisions: docs/decisions, 004, 058.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    Element = str | int | None

_NAME: Final = re.compile(r"^-- name: *(\w+) *$", re.MULTILINE)
_ARRAY_PARAMETER: Final = re.compile(r"(\$\d+)(::\w+\[\])")


def load_queries(package: str, *, arrays_as_text: bool = False) -> dict[str, str]:
    """Return name -> statement of `queries.sql` in `package`.

    With `arrays_as_text` every parameter that is an array (`$1::uuid[]`) is to be given as an `array_literal`.
    """
    text = resources.files(package).joinpath("queries.sql").read_text(encoding="utf-8")
    if arrays_as_text:
        text = _ARRAY_PARAMETER.sub(r"\1::text\2", text)
    parts = _NAME.split(text)[1:]
    return {name: statement.strip().rstrip(";") for name, statement in zip(parts[::2], parts[1::2], strict=True)}


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Turn rows into the `width` lists that `unnest` takes; no rows make empty ones."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def array_literal(column: Sequence[Element]) -> str:
    """Return a column as PostgreSQL writes an array, for a statement that was loaded with `arrays_as_text`.

    asyncpg spends 0.3 to 0.6 us on each element of a list, because it looks for arrays within the array; this takes
    0.02 to 0.08. A column of nothing but None becomes empty: `unnest` fills up what is shorter than the rest.
    Source: PostgreSQL manual, 8.15.6 "Array Input and Output Syntax".
    """
    if not column or column[0] is None:
        return _literal_with_nulls(column)
    try:
        if type(column[0]) is not str:
            is_one = column.count(column[0]) == len(column)  # as a partition, a state, often a quantity
            numbers = ",".join([str(column[0])] * len(column) if is_one else map(str, column))
            return _literal_with_nulls(column) if "None" in numbers else f"{{{numbers}}}"
        texts = '","'.join(column)  # type: ignore[arg-type]  # a None among them raises
    except TypeError:
        return _literal_with_nulls(column)
    is_plain = "\\" not in texts and texts.count('"') == 2 * (len(column) - 1)
    return f'{{"{texts}"}}' if is_plain else _literal_with_nulls(column)


def _literal_with_nulls(column: Sequence[Element]) -> str:
    if column.count(None) == len(column):
        return "{}"
    return "{" + ",".join(map(_element, column)) + "}"


def _element(value: Element) -> str:
    if value is None:
        return "NULL"
    if not isinstance(value, str):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
