"""A text file as a table: which encoding, which delimiter, and its records one after the other, without losing one.

A record is read by the letter of RFC 4180 (a stray quote could otherwise swallow the records that follow). One that breaks
it within its own line is handed on with its fault, so that its order can be named.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TextIO

from producers.errors import UnusableFileError
from producers.importing.layout import Layout, layout_of
from producers.importing.options import ReadOptions

DELIMITERS: Final = (",", ";", "\t", "|")
CHUNK_BYTES: Final = 1 << 20
SAMPLE_BYTES: Final = 4096
MAX_LINE: Final = 1 << 20
"""Characters of one line; a longer one would be held in memory."""
MANY_NULS: Final = 0.3
"""Share of NUL bytes on one side of its pairs from which a file without a mark is taken for UTF-16."""
FALLBACK: Final = "cp1252"
"""What is neither marked nor UTF-8 was mostly written by a Windows program of the western languages."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT: Final = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook; save its sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save its sheet as CSV"),
    (b"\x1f\x8b", "compressed; unpack it first"),
    (b"PAR1", "a Parquet file; export it as CSV"),
    (b"%PDF", "a PDF document; export the orders as CSV"),
)
_SEPARATOR: Final = re.compile(r"\s*sep=(.)\s*", re.IGNORECASE)
"""The first line of some of Excel's files."""


class Record(NamedTuple):
    """One record: the number of the line on which it begins (the file's first is 1), its cells, and what is wrong with it."""

    line: int
    cells: list[str]
    fault: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether it holds nothing at all."""
        return not self.fault and not any(cell.strip() for cell in self.cells)


class Table:
    """A file, its encoding, delimiter and layout. Raises UnusableFileError for what is no table that can be understood."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self.path = path
        self.encoding, self.is_guess = encoding_of(path, options.encoding)
        self._separator_line = False
        self.delimiter, self.layout = self._understood(options)

    def records(self) -> Iterator[Record]:
        """Yield the records below the header. Raises UnusableFileError."""
        with opened(self.path, self.encoding) as text:
            records = read_records(text, self.delimiter, len(self.layout.header))
            for _ in range(2 if self._separator_line else 1):
                next(records, None)
            yield from records

    def _understood(self, options: ReadOptions) -> tuple[str, Layout]:
        """Return the delimiter under which the header has the columns that are needed, and where they stand."""
        faults: dict[int, str] = {}
        for delimiter in self._delimiters(options):
            header = self._header(delimiter)
            try:
                return delimiter, layout_of(header, options)
            except UnusableFileError as error:
                faults.setdefault(len(header), str(error))
        raise UnusableFileError(f"{self.path}: {faults[max(faults)]}")

    def _delimiters(self, options: ReadOptions) -> tuple[str, ...]:
        with opened(self.path, self.encoding) as text:
            named = _SEPARATOR.fullmatch(text.readline(SAMPLE_BYTES))
        self._separator_line = named is not None
        if options.delimiter:
            return (options.delimiter,)
        return (named[1],) if named and named[1] not in '"\r\n' else DELIMITERS

    def _header(self, delimiter: str) -> list[str]:
        with opened(self.path, self.encoding) as text:
            if self._separator_line:
                text.readline()
            first = next(read_records(text, delimiter, None), Record(1, []))
        if first.fault:
            raise UnusableFileError(f"{self.path}: line 1: {first.fault}")
        return first.cells


def read_records(text: TextIO, delimiter: str, width: int | None) -> Iterator[Record]:
    """Yield every record; one that does not have `width` cells is at fault."""
    lines = _Lines(text)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        begins = reader.line_num + 1
        lines.of_record.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _broken(begins, lines.of_record, delimiter, error)
            continue
        if width is not None and len(cells) > width and not any(cells[width:]):
            del cells[width:]  # a spreadsheet's empty columns
        fault = "" if width is None or len(cells) == width or not any(cells) else f"has {len(cells)} of {width} columns"
        yield Record(begins, cells, fault)


class _Lines:
    """The lines of a text, with those of the record in hand."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._number = 0
        self.of_record: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self._number += 1
        line = self._text.readline(MAX_LINE)
        if not line:
            raise StopIteration
        if len(line) == MAX_LINE:
            raise UnusableFileError(f"line {self._number} has more than {MAX_LINE:,} characters; this is no CSV file")
        self.of_record.append(line)
        return line


def _broken(begins: int, lines: list[str], delimiter: str, error: csv.Error) -> Record:
    """Return what is left of a record that is none: its cells, if it breaks the rules within one line."""
    if len(lines) != 1:
        swallowed = f"lines {begins} to {begins + len(lines) - 1}" if lines else "the rest of the file"
        return Record(begins, [], f"a quote that does not end takes in {swallowed} ({error})")
    try:
        cells = next(csv.reader(lines, delimiter=delimiter), [])
    except csv.Error:
        cells = []
    return Record(begins, cells, f"is not CSV: {error}")


# --- encodings --------------------------------------------------------------------------------------------------------


def encoding_of(path: Path, named: str) -> tuple[str, bool]:
    """Return the name of a file's encoding, and whether it is only a guess."""
    with _opened_bytes(path) as file:
        begin = file.read(SAMPLE_BYTES)
    for magic, what in _NO_TEXT:
        if begin.startswith(magic):
            raise UnusableFileError(f"{path} is {what}")
    marked = next((encoding for mark, encoding in _MARKS if begin.startswith(mark)), None)
    if named:
        return _required(path, named)
    if marked is None and (without_mark := _utf16_without_mark(begin)) is not None:
        marked = without_mark
    if marked is not None:
        return _required(path, marked)
    if _decodes(path, "utf-8"):
        return "utf-8", False
    if _decodes(path, FALLBACK):
        return FALLBACK, True
    raise UnusableFileError(
        f"{path} is neither UTF-8 nor Windows-1252 text; give its encoding, as in --encoding shift_jis"
    )


def _required(path: Path, encoding: str) -> tuple[str, bool]:
    if not _decodes(path, encoding):
        raise UnusableFileError(f"{path} is not text in {encoding}; give another --encoding, or save the file as UTF-8")
    return encoding, False


def _utf16_without_mark(begin: bytes) -> str | None:
    """Return which UTF-16 a file seems to be: western text in it has a NUL in every second byte."""
    pairs = len(begin) // 2
    if pairs and begin[1::2].count(0) > MANY_NULS * pairs > begin[::2].count(0):
        return "utf-16-le"
    if pairs and begin[::2].count(0) > MANY_NULS * pairs > begin[1::2].count(0):
        return "utf-16-be"
    return None


def _decodes(path: Path, encoding: str) -> bool:
    """Return whether the whole file is text in this encoding."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        with _opened_bytes(path) as file:
            while chunk := file.read(CHUNK_BYTES):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except (UnicodeError, LookupError):
        return False
    return True


@contextmanager
def opened(path: Path, encoding: str) -> Iterator[TextIO]:
    """Open a text; its lines end as in any system, and keep their ends, which belong to quoted cells."""
    try:
        with path.open(encoding=encoding, newline="") as text:
            yield text
    except OSError as error:
        raise UnusableFileError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise UnusableFileError(
            f"{path} changed while it was read. Import it again: nothing is ordered twice."
        ) from error


@contextmanager
def _opened_bytes(path: Path) -> Iterator[BinaryIO]:
    try:
        if not path.exists():
            raise UnusableFileError(f"there is no file {path}")
        if not path.is_file():
            raise UnusableFileError(f"{path} is no regular file; it is read twice, so save what comes from it first")
        with path.open("rb") as file:
            yield file
    except UnicodeDecodeError:  # of the block, which tries encodings
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UnusableFileError(f"{path} cannot be read: {getattr(error, 'strerror', error)}") from error
