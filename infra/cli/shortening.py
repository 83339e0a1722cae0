"""Messages of a length that a terminal can show, whatever was given that they repeat. Imports nothing, as every command has it."""

from __future__ import annotations

import re
from typing import Final

LONGEST_WORD: Final = 400
"""No id and no path that is meant has as many characters without a blank."""
_LONG_WORD: Final = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


def shortened(message: str) -> str:
    """Return a message with the beginning of each word that is longer than LONGEST_WORD, and how long it is."""
    return _LONG_WORD.sub(lambda word: f"{word[0][:LONGEST_WORD]}... ({len(word[0]):,} characters)", message)
