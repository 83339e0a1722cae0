"""Which column of one file holds what: its header held against the named formats, `--format` and `--map`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from producers.errors import UnusableFileError
from producers.importing.formats import BY_NAME, FORMATS, GUESSED, Field, Format, normalised
from producers.importing.options import ReadOptions

SHOWN_COLUMNS: Final = 40
MAX_SHOWN: Final = 60
OWN_SOURCE: Final = "orders"
"""The other system's name where neither the caller nor a format gives one."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where each field stands in a row, with the header's own names for error messages.

    `quantity` is each row's number of units where no column holds it, `currency` each order's where no column does.
    """

    format: str
    source: str
    header: tuple[str, ...]
    places: Mapping[Field, int]
    currency: str
    quantity: int | None
    price_is_total: bool
    by_uci_rules: bool

    def column(self, field: Field) -> str:
        """Return the header's name of a field's column, or the field's own name where there is no such column."""
        place = self.places.get(field)
        return field.value if place is None else self.header[place]


def layout_of(header: Sequence[str], options: ReadOptions) -> Layout:
    """Return the layout of a file with this header. Raises UnusableFileError, which names what is missing."""
    names = tuple(name.strip() for name in header)
    if not any(names):
        raise UnusableFileError("its first line names no columns")
    if options.format:
        return _layout(names, _with_own_columns(BY_NAME[options.format], options), options)
    if options.columns:
        own = Format(name="map", source=OWN_SOURCE, columns={})
        return _layout(names, _with_own_columns(own, options), options)
    known = [format_ for format_ in GUESSED if not _missing(names, format_)]
    if not known:
        raise UnusableFileError(_unknown(names))
    return _layout(names, max(known, key=lambda format_: len(format_.columns)), options)


def _with_own_columns(base: Format, options: ReadOptions) -> Format:
    """Return a format with the caller's columns instead of its own; a named column must be there."""
    columns = {**base.columns, **options.columns}
    return msgspec.structs.replace(base, columns=columns, optional=base.optional - options.columns.keys())


def _missing(header: Sequence[str], known: Format) -> list[Field]:
    return [
        field
        for field in known.columns
        if field not in known.optional and not any(_places(header, name) for name in known.names(field))
    ]


def _layout(header: tuple[str, ...], known: Format, options: ReadOptions) -> Layout:
    quantity = known.quantity
    places: dict[Field, int] = {}
    for field in known.columns:
        names = known.names(field)
        matching = next(filter(None, (_places(header, name) for name in names)), [])
        if len(matching) > 1:
            raise UnusableFileError(
                f"two columns are named {header[matching[0]][:MAX_SHOWN]!r}, and {field} could be either; rename one"
            )
        if matching:
            places[field] = matching[0]
        elif field is Field.QUANTITY and names[0].isascii() and names[0].isdecimal() and len(names[0]) < MAX_SHOWN:
            quantity = int(names[0])
        elif field not in known.optional:
            raise UnusableFileError(_lacks(header, field, names, known))
    if not (options.currency or known.currency or Field.CURRENCY in places):
        raise UnusableFileError(
            "the file names no currency; give it by --currency, as in --currency EUR, or the column that holds it, as in "
            "--map currency=COLUMN"
        )
    return Layout(
        format=known.name,
        source=known.source,
        header=header,
        places=places,
        currency=options.currency or known.currency,
        quantity=quantity,
        price_is_total=options.price_is_total or known.price_is_total,
        by_uci_rules=known.by_uci_rules,
    )


def _places(header: Sequence[str], name: str) -> list[int]:
    """Return where a column stands: under exactly this name, else under one that differs in case, blanks and signs."""
    exact = [place for place, column in enumerate(header) if column == name.strip()]
    wanted = normalised(name)
    return exact or [place for place, column in enumerate(header) if wanted and normalised(column) == wanted]


def _lacks(header: Sequence[str], field: Field, names: Sequence[str], known: Format) -> str:
    near = difflib.get_close_matches(names[0], [column for column in header if column], n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(column[:MAX_SHOWN]) for column in near)}?" if near else ""
    format_ = "" if known.name == "map" else f" of the format {known.name}"
    return (
        f"there is no column {names[0][:MAX_SHOWN]!r}, which holds {field}{format_}.{hint} "
        f"The file's columns: {_columns(header)}. Another column is named by --map {field}=COLUMN"
    )


def _unknown(header: Sequence[str]) -> str:
    return (
        f"its columns are those of no known export: {_columns(header)}. Name them, as in "
        '--map order="Order ID",sku=SKU,quantity=Quantity,price="Unit price" (see docs/guides/importing.md), or give '
        f"--format, one of {', '.join(format_.name for format_ in FORMATS)}"
    )


def _columns(header: Sequence[str]) -> str:
    shown = ", ".join(repr(column[:MAX_SHOWN]) for column in header[:SHOWN_COLUMNS])
    return f"{shown}, ..." if len(header) > SHOWN_COLUMNS else shown or "none"
