"""What the shop's people decide about search: synonyms and pinned products. Data, read from a JSON file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from consumers.search.analysis import words

if TYPE_CHECKING:
    from pathlib import Path


class OneWay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who looks for `query` finds `also` too, but not the other way round."""

    query: str
    also: tuple[str, ...]


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who looks for `query` finds these products first, in this order."""

    query: str
    products: tuple[str, ...]


class SearchRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`synonyms` are groups of texts that mean the same; a text may have several words."""

    synonyms: tuple[tuple[str, ...], ...] = ()
    one_way: tuple[OneWay, ...] = ()
    pins: tuple[Pin, ...] = ()


Phrase = tuple[str, ...]


def alternatives_by_phrase(rules: SearchRules) -> dict[Phrase, tuple[Phrase, ...]]:
    """Return what may stand in a text instead of each phrase, as words."""
    alternatives: dict[Phrase, list[Phrase]] = {}
    for group in rules.synonyms:
        phrases = [tuple(words(text)) for text in group]
        for phrase in phrases:
            alternatives.setdefault(phrase, []).extend(other for other in phrases if other != phrase)
    for rule in rules.one_way:
        alternatives.setdefault(tuple(words(rule.query)), []).extend(tuple(words(text)) for text in rule.also)
    return {phrase: tuple(dict.fromkeys(others)) for phrase, others in alternatives.items() if phrase}


def pins_by_phrase(rules: SearchRules) -> dict[Phrase, tuple[str, ...]]:
    """Return the products that are pinned to each query, as words."""
    return {tuple(words(pin.query)): pin.products for pin in rules.pins}


def read_rules(path: Path) -> SearchRules:
    """Return the rules in a file. Raises msgspec.ValidationError or msgspec.DecodeError naming what is wrong with it."""
    return msgspec.json.decode(path.read_bytes(), type=SearchRules)
