"""Reads products from a file: CSV (one row a variant) or JSON Lines (one product a line).

A CSV has a header. Its columns are `product_id`, `title`, a price (`price_minor` in minor units, or `price` as a decimal)
and, where wanted, `sku`, `variant`, `currency`, `type`, `category`, `brand`, `slug`, `description`, `option:NAME` (what
distinguishes variants) and `attribute:NAME` (values with `|` between). `colours`, `materials` and `seasonal` are the attributes
colour, material and season. Rows of one product follow each other; its first row says what they have in common.
A product is read whole or not at all: what is wrong is named with its row and column.
"""

from __future__ import annotations

import csv
import itertools
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from producers.clients.catalogue import ProductDraft, put_product
from producers.errors import InvalidProductError, UnusableFileError
from schemas.errors import MoneyError
from schemas.messages import Attribute, Variant, VariantOption
from schemas.money import to_minor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

DEFAULT_CURRENCY: Final = "GBP"
_TEXTS: Final = ("category", "brand", "slug")
_KNOWN: Final = frozenset(
    {"product_id", "title", "sku", "variant", "price", "price_minor", "currency", "type", "description", *_TEXTS}
)
_ATTRIBUTES: Final = {"colours": "colour", "materials": "material", "seasonal": "season"}
_IGNORED: Final = frozenset({"first_seen"})


class Rejected(NamedTuple):
    """What could not be read: the row or line it begins at, counted from 1 with the header, and why."""

    row: int
    product_id: str
    reason: str


class ProductFile(NamedTuple):
    """The products of a file in its order, and what could not be read."""

    drafts: list[ProductDraft]
    rejected: list[Rejected]


def read_products(path: Path, currency: str = DEFAULT_CURRENCY) -> ProductFile:
    """Return the products of a file; its ending names its format. Raises UnusableFileError where it is no such file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
                return _gather(_from_lines(file))
            return _gather(_from_rows(csv.reader(file), currency))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnusableFileError(f"{path} cannot be read: {error}") from error


def _gather(products: Iterable[ProductDraft | Rejected]) -> ProductFile:
    drafts: list[ProductDraft] = []
    rejected: list[Rejected] = []
    seen: set[str] = set()
    for number, each in enumerate(products, start=1):
        if isinstance(each, Rejected):
            rejected.append(each)
        elif each.product_id in seen:
            rejected.append(Rejected(number, each.product_id, "the product occurs twice; put its rows together"))
        elif fault := _fault_of(each):
            rejected.append(Rejected(number, each.product_id, fault))
        else:
            seen.add(each.product_id)
            drafts.append(each)
    return ProductFile(drafts, rejected)


def _fault_of(draft: ProductDraft) -> str | None:
    try:
        put_product(draft)
    except InvalidProductError as error:
        return str(error)
    return None


def _from_lines(lines: Iterable[str]) -> Iterator[ProductDraft | Rejected]:
    decoder = msgspec.json.Decoder(ProductDraft)
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield decoder.decode(line)
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                yield Rejected(number, "", str(error))


def _from_rows(rows: Iterator[list[str]], currency: str) -> Iterator[ProductDraft | Rejected]:
    header = [name.strip() for name in next(rows, [])]
    _check_header(header)
    numbered = ((number, dict(zip(header, row, strict=False))) for number, row in enumerate(rows, start=2) if any(row))
    for product_id, group in itertools.groupby(numbered, key=lambda each: each[1].get("product_id", "").strip()):
        of_product = list(group)
        try:
            yield _draft(product_id, [row for _, row in of_product], currency)
        except (InvalidProductError, MoneyError) as error:
            yield Rejected(of_product[0][0], product_id, str(error))


def _check_header(header: Sequence[str]) -> None:
    if missing := {"product_id", "title"} - set(header):
        raise UnusableFileError(
            f"the header lacks {', '.join(sorted(missing))}; it has {', '.join(header) or 'nothing'}"
        )
    if not {"price", "price_minor"} & set(header):
        raise UnusableFileError("the header has neither price nor price_minor")
    known = _KNOWN | _ATTRIBUTES.keys() | _IGNORED
    if strangers := [name for name in header if name not in known and not name.startswith(("option:", "attribute:"))]:
        raise UnusableFileError(
            f"no column is called {strangers[0]!r}; name it attribute:{strangers[0]} to keep it with the product"
        )


def _draft(product_id: str, rows: list[dict[str, str]], default_currency: str) -> ProductDraft:
    first = {name: value.strip() for name, value in rows[0].items()}
    currency = first.get("currency") or default_currency
    skus = [row.get("sku", "").strip() or product_id for row in rows]
    return ProductDraft(
        product_id=product_id,
        title=first["title"],
        currency=currency,
        variants=tuple(Variant(sku, row.get("variant", "").strip()) for sku, row in zip(skus, rows, strict=True)),
        prices={sku: _price(row, currency) for sku, row in zip(skus, rows, strict=True)},
        description=tuple(filter(None, (line.strip() for line in first.get("description", "").splitlines()))),
        product_type=first.get("type", ""),
        attributes=tuple(_attributes(first)),
        options=tuple(
            VariantOption(sku, name.removeprefix("option:"), value.strip())
            for sku, row in zip(skus, rows, strict=True)
            for name, value in row.items()
            if name.startswith("option:") and value.strip()
        ),
        **{name: first.get(name, "") for name in _TEXTS},
    )


def _attributes(row: dict[str, str]) -> Iterator[Attribute]:
    for column, text in row.items():
        name = _ATTRIBUTES.get(column, column.removeprefix("attribute:") if column.startswith("attribute:") else None)
        if name is not None:
            yield from (Attribute(name, value.strip()) for value in text.split("|") if value.strip())


def _price(row: dict[str, Any], currency: str) -> int:
    text = (row.get("price_minor") or row.get("price") or "").strip()
    try:
        return int(text) if row.get("price_minor") else to_minor(Decimal(text), currency)
    except (ValueError, InvalidOperation) as error:
        raise InvalidProductError(f"the price is {text[:40]!r}, which is no number") from error
