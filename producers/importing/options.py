"""How a file is to be read, as the caller says it, and what of that no file could follow."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

from producers.clients.requests import require_text
from producers.errors import UnusableOptionError
from producers.importing.formats import BY_NAME, REQUIRED, Field
from schemas.errors import UnknownCurrencyError
from schemas.money import minor_units

TOTAL: Final = "total"
"""The name of what is left between an order's lines and its total, to be waived or spread."""
CANCELLED: Final = "cancelled"
"""The name by which an order is placed although the other system has ended it."""
MAX_NAME: Final = 200
_NO_FILE_ENCODINGS: Final = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
"""Python's encodings of single names and literals."""
_NAMES: Final = "|".join(sorted(Field, key=len, reverse=True))
_FIELD: Final = re.compile(rf"\s*({_NAMES})\s*=", re.IGNORECASE)
_NEXT_FIELD: Final = re.compile(rf",(?=\s*(?:{_NAMES})\s*=)", re.IGNORECASE)


class Rounding(StrEnum):
    """What a unit price becomes that is no whole number of minor units; without one its order is not placed.

    `SPLIT` keeps the row's total: its units become two lines, a minor unit apart.
    """

    HALF_UP = "half-up"
    HALF_EVEN = "half-even"
    DOWN = "down"
    UP = "up"
    SPLIT = "split"


class SkuCase(StrEnum):
    """How SKUs are spelt; nothing but the caller changes it."""

    KEEP = "keep"
    UPPER = "upper"
    LOWER = "lower"


class ReadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to read a file. What is empty follows from the file's own header.

    `waived`, `spread`, `charged` and `as_lines` name charges beside the goods (shipping, tax, discount, fee, refund, total, or the
    code of a row that is no goods), in lower case: left out of the order, spread over its lines, charged as what they are, or a line
    of the given SKU.
    """

    format: str = ""
    columns: Mapping[Field, str] = MappingProxyType({})
    currency: str = ""
    delimiter: str = ""
    encoding: str = ""
    decimal_comma: bool = False
    price_is_total: bool = False
    rounding: Rounding | None = None
    waived: frozenset[str] = frozenset()
    spread: frozenset[str] = frozenset()
    charged: frozenset[str] = frozenset()
    as_lines: Mapping[str, str] = MappingProxyType({})
    sku_case: SkuCase = SkuCase.KEEP
    whole_customer_ids: bool = False
    skip_stray_rows: bool = False


def checked(options: ReadOptions) -> ReadOptions:
    """Return the options. Raises UnusableOptionError for what no file could follow."""
    if options.format and options.format not in BY_NAME:
        raise UnusableOptionError(
            f"format {options.format[:MAX_NAME]!r} is not known; give one of {', '.join(BY_NAME)}"
        )
    if (
        options.columns
        and not options.format
        and (missing := [field for field in REQUIRED if field not in options.columns])
    ):
        raise UnusableOptionError(
            f"the map lacks {', '.join(missing)}; name their columns, as in {missing[0]}=COLUMN "
            "(quantity=1 for one unit a row)"
        )
    if options.currency:
        try:
            minor_units(options.currency)
        except UnknownCurrencyError as error:
            raise UnusableOptionError(str(error)) from error
    if options.delimiter and (len(options.delimiter) > 1 or options.delimiter in '"\r\n' or options.delimiter == "\0"):
        raise UnusableOptionError(
            f"the delimiter is {options.delimiter[:MAX_NAME]!r}; give one character, such as ';', or the word tab"
        )
    if options.encoding:
        _require_text_encoding(options.encoding)
    named = Counter([*options.waived, *options.spread, *options.charged, *options.as_lines])
    if twice := sorted(name for name, times in named.items() if times > 1):
        raise UnusableOptionError(
            f"{', '.join(twice)}: waive, spread, charge it or place it as a line, one of the four"
        )
    if unfit := sorted(options.charged & {TOTAL, CANCELLED, "refund"}):
        raise UnusableOptionError(f"{', '.join(unfit)} is no charge that an order can have")
    for name, sku in options.as_lines.items():
        require_text(UnusableOptionError, f"the SKU for {name}", sku)
    return options


def parse_map(texts: Iterable[str]) -> dict[Field, str]:
    """Return the columns by field that texts such as `order=Order ID,sku=Product ID` name. Raises UnusableOptionError."""
    columns: dict[Field, str] = {}
    for text in texts:
        for part in _NEXT_FIELD.split(text):
            match = _FIELD.match(part)
            column = part[match.end() :].strip() if match else ""
            if match is None or not column:
                raise UnusableOptionError(
                    f"map {part[:MAX_NAME]!r}: give FIELD=COLUMN, with FIELD one of {', '.join(Field)}"
                )
            field = Field(match[1].lower())
            if field in columns:
                raise UnusableOptionError(f"map {part[:MAX_NAME]!r}: {field} is named twice")
            columns[field] = column
    return columns


def parse_names(texts: Iterable[str]) -> frozenset[str]:
    """Return the names in texts such as `shipping,tax`, in lower case. Raises UnusableOptionError for an empty one."""
    names = [name.strip().casefold() for text in texts for name in text.split(",")]
    if not all(names):
        raise UnusableOptionError("an empty name stands for nothing; give names such as shipping,discount")
    return frozenset(names)


def parse_as_lines(texts: Iterable[str]) -> dict[str, str]:
    """Return the SKUs by charge that texts such as `shipping=SHIP-1` name. Raises UnusableOptionError."""
    skus: dict[str, str] = {}
    for text in texts:
        name, equals, sku = (part.strip() for part in text.partition("="))
        if not (name and equals and sku):
            raise UnusableOptionError(f"{text[:MAX_NAME]!r}: give NAME=SKU, as in shipping=SHIP-1")
        skus[name.casefold()] = sku
    return skus


def parse_delimiter(text: str) -> str:
    """Return the character that separates columns; the word tab stands for the tabulator."""
    return "\t" if text.lower() in {"tab", r"\t"} else text


def _require_text_encoding(name: str) -> None:
    """Raise UnusableOptionError unless Python has an encoding of this name that files are written in."""
    try:
        "".encode(name)
        is_file_encoding = codecs.lookup(name).name not in _NO_FILE_ENCODINGS
    except (LookupError, UnicodeError, ValueError):  # ValueError: a NUL in the name
        is_file_encoding = False
    if not is_file_encoding:
        raise UnusableOptionError(
            f"encoding {name[:MAX_NAME]!r} is not known; give one such as utf-8, utf-16, cp1252 or shift_jis"
        )
