"""What a text may be: an identifier, which machines compare, or a text, which people read.

Two identifiers that look alike must be one: no blanks at their ends or two in a row, nothing invisible, Unicode normal form
C (https://www.unicode.org/reports/tr15/). Case counts, and is never changed. What is refused is named with its place.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from schemas.limits import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Collection

_INVISIBLE: Final = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5),  # joiners and fillers that count as letters or marks
            *range(0x180B, 0x1810),  # Mongolian variation selectors
            *(0x2800, 0x3164, 0xFFA0),  # blank Braille, Hangul fillers
            *range(0xFE00, 0xFE10),  # variation selectors
            *range(0xE0100, 0xE01F0),
        ),
    )
)
"""Characters that print nothing although `str.isprintable` takes them (Unicode: Default_Ignorable_Code_Point, and blanks)."""

_PRINTABLE_ASCII: Final = bytes(range(0x20, 0x7F))


def are_plain(texts: str) -> bool:
    """Tell whether texts, with one blank before, between and after them, are all identifiers beyond doubt.

    False proves nothing: `find_identifier_fault` knows. A text that is empty, begins or ends with a blank makes two in a row.
    """
    return "  " not in texts and texts.isascii() and texts.isprintable() and len(texts) <= MAX_TEXT


def are_all_plain(texts: Collection[str]) -> bool:
    """Tell whether each of many texts is an identifier beyond doubt, in one look at all of them. False proves nothing."""
    joined = f" {' '.join(texts)} "
    if "  " in joined or not joined.isascii() or max(map(len, texts)) > MAX_TEXT:
        return False
    return not joined.encode().translate(None, _PRINTABLE_ASCII)


def find_identifier_fault(text: str) -> str | None:
    """Return what keeps a text from being an identifier, or None."""
    if are_plain(f" {text} "):
        return None
    if (fault := find_text_fault(text)) is not None:
        return fault
    if text[0] == " " or text[-1] == " ":
        return f"{'begins' if text[0] == ' ' else 'ends'} with a blank"
    if "  " in text:
        return f"holds two blanks in a row at character {text.index('  ') + 1}"
    if not unicodedata.is_normalized("NFC", text):
        composed = unicodedata.normalize("NFC", text)
        place = next((n for n, (a, b) in enumerate(zip(text, composed, strict=False)) if a != b), len(composed))
        return f"is not in Unicode normal form C: {_named(text, place)}; send {composed!r}"
    return None


def find_text_fault(text: str) -> str | None:
    """Return what keeps a text from being one that people can read, or None."""
    if not text:
        return "is empty"
    if len(text) > MAX_TEXT:
        return f"has {len(text)} characters, more than {MAX_TEXT}"
    if text.isascii() and text.isprintable():
        return None
    for place, character in enumerate(text):
        if not character.isprintable() or character in _INVISIBLE:
            return f"holds {_named(text, place)}, which cannot be seen"
    return None


def _named(text: str, place: int) -> str:
    character = text[place]
    return f"U+{ord(character):04X} {unicodedata.name(character, 'a control character')} at character {place + 1}"
