"""The rows of what was not placed, as a file of the same form: corrected, it can be imported in place of the first."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from producers.errors import UnusableFileError

if TYPE_CHECKING:
    from _csv import Writer

    from producers.importing.faults import Reject
    from producers.importing.rows import Row
    from producers.importing.table import Table

COLUMNS: Final = ("rejected_row", "rejected_column", "rejected_reason")
"""What stands before a row's own cells: its place in the first file, and what is wrong there."""


class RejectsFile:
    """Writes rows as they stood, in the encoding and with the delimiter of their table, each with its reason.

    The file is begun at once, so that one that cannot be written is known before anything is placed; a file without
    a rejected row holds the header only. Raises UnusableFileError.
    """

    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self._open = ExitStack()
        own = len(COLUMNS) if table.layout.header[: len(COLUMNS)] == COLUMNS else 0
        self._skipped = own
        try:
            if path.exists() and path.samefile(table.path):
                raise UnusableFileError(f"{path} is the file to import; give the rejects another name")
            file = path.open("w", encoding=table.encoding, errors="backslashreplace", newline="")
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            raise self._unwritable(error) from error
        self._open.enter_context(file)
        self._writer: Writer = csv.writer(file, delimiter=table.delimiter)
        try:
            self._write([*COLUMNS, *table.layout.header[own:]])
        except UnusableFileError:
            self._open.close()
            raise

    def write(self, reject: Reject, rows: Sequence[Row]) -> None:
        """Write rows that are not placed because of `reject`. Raises UnusableFileError."""
        for row in rows:
            is_culprit = row.line == reject.row
            column = reject.column if is_culprit else ""
            reason = reject.reason if is_culprit else f"its order is not placed: row {reject.row}: {reject.reason}"
            self._write([str(row.line), column, reason, *row.cells[self._skipped :]])

    def close(self) -> None:
        """Write what is buffered. Raises UnusableFileError."""
        try:
            self._open.close()
        except OSError as error:
            raise self._unwritable(error) from error

    def _write(self, cells: Sequence[str]) -> None:
        try:
            self._writer.writerow(cells)
        except (OSError, csv.Error) as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> UnusableFileError:
        return UnusableFileError(f"{self._path} cannot be written: {getattr(error, 'strerror', None) or error}")
