"""What a field must be beyond its type, as functions that its type in `bodies` names: value in, what is wrong out, or None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.errors import UnknownCurrencyError
from schemas.limits import MAX_QUANTITY
from schemas.money import minor_units
from schemas.texts import find_identifier_fault, find_text_fault

if TYPE_CHECKING:
    from collections.abc import Iterable


def identifier_fault(text: str) -> str | None:
    """Return what keeps a text from being an identifier; an empty one is none."""
    return find_identifier_fault(text) if text else None


def text_fault(text: str) -> str | None:
    """Return what keeps a text from being read by people; an empty one is none."""
    return find_text_fault(text) if text else None


def currency_fault(code: str) -> str | None:
    """Return why a code is no currency."""
    try:
        minor_units(code)
    except UnknownCurrencyError as error:
        return str(error)
    return None


def repeat_fault(values: list[Any]) -> str | None:
    """Return which element is there twice."""
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            return f"names {value} twice"
        seen.add(value)
    return None


def too_large_demand(lines: Iterable[tuple[str, int]]) -> list[int]:
    """Return the places of (SKU, quantity) lines whose SKU is wanted, by them and those before, more than one order may."""
    demand: dict[str, int] = {}
    places = []
    for place, (sku, quantity) in enumerate(lines):
        before = demand.get(sku, 0)
        demand[sku] = before + quantity
        if before <= MAX_QUANTITY < demand[sku]:
            places.append(place)
    return places
