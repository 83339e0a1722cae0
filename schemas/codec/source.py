"""Where the compiled codec comes from."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("flat.c")


def digest() -> str:
    """Return what names the source, so that a build of an earlier one is not used."""
    return f"{zlib.crc32(SOURCE.read_bytes()):08x}"
