"""Words out of text, the same for products and for queries.

A word is a run of letters and digits in lower case without accents; a Chinese or Japanese character is one by itself.
`T-light` is three words: t, light, tlight.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

_IDEOGRAPHS: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD: Final = re.compile(rf"[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+")
_ASCII_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_COMPOUND: Final = re.compile(r"[^\W_]+(?:[-'\u2019.][^\W_]+)+")
_stemmer: Final = TextAnalyzerBuilder(Tokenizer.raw()).filter(Filter.stemmer("english")).build()


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """Return a text in lower case without accents; letters without a base letter stay as they are."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def words_with_places(text: str) -> list[tuple[str, int, int]]:
    """Return the words of a text, each with the (start, end) characters at which it stands in it as it was written."""
    if text.isascii():
        return [(match[0].lower(), *match.span()) for match in _ASCII_WORD.finditer(text)]
    return [(fold(match[0]), *match.span()) for match in _WORD.finditer(text)]


def words(text: str) -> list[str]:
    """Return the words of a text in order, as a query has them."""
    return _ASCII_WORD.findall(text.lower()) if text.isascii() else [word for word, _, _ in words_with_places(text)]


@lru_cache(maxsize=16_384)  # types, brands and values repeat
def indexed_words(text: str) -> tuple[str, ...]:
    """Return the words by which a text is found: its own, and its compounds written in one."""
    compounds = (fold("".join(_WORD.findall(match[0]))) for match in _COMPOUND.finditer(text))
    return (*words(text), *compounds)


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Return the stem that a word shares with its inflections (Snowball, English)."""
    stems = _stemmer.analyze(word)
    return stems[0] if stems else word


@lru_cache(maxsize=16_384)  # what is found once is found again
def stems_with_places(text: str) -> tuple[tuple[str, str, int, int], ...]:
    """Return the words of a text, each with its stem and the (start, end) characters at which it stands."""
    return tuple((word, stem(word), start, end) for word, start, end in words_with_places(text))
