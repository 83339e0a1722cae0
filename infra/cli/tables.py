"""Tables for any terminal: columns line up, and no cell is ever broken, since ids are copied and amounts are read.

Only the last column may wrap, between words, under itself. Where the terminal is too narrow for the rest, the line is longer
than it: the terminal breaks it, and what is copied from there is whole all the same.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.text import Text

GAP: Final = "  "
LEAST_WIDTH: Final = 36
"""The last column is never narrower: an order id fits in."""
NO_BREAK: Final = "\N{NO-BREAK SPACE}"
"""Stands in a cell where a line must not be broken; printed as a blank."""

Cell = str | Text


def table(
    headers: Sequence[str], rows: Iterable[Sequence[Cell]], *, right: Collection[str] = (), width: int | None = None
) -> Iterator[Text]:
    """Yield the lines of a table. `right` names the columns of figures; `width` lets the last column wrap, in columns.

    A column that is empty in every row is left out.
    """
    cells = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    used = [at for at in range(len(headers)) if not cells or any(row[at].plain for row in cells)]
    names = [headers[at] for at in used]
    cells = [[row[at] for at in used] for row in cells]
    widths = [max(cell_len(cell.plain) for cell in column) for column in zip(map(Text, names), *cells, strict=True)]
    if any(names):
        yield _line([Text(name, "bold") for name in names], widths, [name in right for name in names])
    before = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    for row in cells:
        *first, last = row
        lines = _wrapped(last, None if width is None else max(LEAST_WIDTH, width - before))
        for number, line in enumerate(lines):
            yield _line(
                [*(first if not number else map(Text, [""] * len(first))), line], widths, [n in right for n in names]
            )


def paragraph(text: str, width: int) -> str:
    """Return a text broken between words to lines of at most `width` columns, where its words allow it."""
    return "\n".join(line.plain for line in _wrapped(Text(text), width))


def _line(cells: Sequence[Text], widths: Sequence[int], right: Sequence[bool]) -> Text:
    line = Text()
    for number, (cell, width, is_right) in enumerate(zip(cells, widths, right, strict=True)):
        padding = " " * max(0, width - cell_len(cell.plain))
        is_last = number == len(cells) - 1
        line.append(GAP if number else "")
        line.append_text(Text(padding) + cell if is_right else cell if is_last else cell + Text(padding))
    line.plain = line.plain.replace(NO_BREAK, " ")
    line.rstrip()
    return line


def _wrapped(cell: Text, width: int | None) -> list[Text]:
    """Return the lines of a cell; one that wraps keeps the style of its whole only."""
    if width is None or cell_len(cell.plain) <= width:
        return [cell]
    lines = textwrap.wrap(cell.plain, width, break_long_words=False, break_on_hyphens=False) or [""]
    return [Text(line, cell.style) for line in lines]
