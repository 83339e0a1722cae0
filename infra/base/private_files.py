"""Files with secrets in them: whole or not there, and readable by their owner only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OWNER_ONLY: Final = 0o600


def write_private(path: Path, text: str) -> None:
    """Write a file in one step: a crash leaves the old one, or none, never a part."""
    scratch = path.with_name(f"{path.name}.new")
    with open(scratch, "w", encoding="utf-8", opener=_private) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def lasting_text(path: Path, make: Callable[[], str]) -> str:
    """Return what the file holds, written now by `make` where it is missing or empty."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        text = ""
    if not text:
        text = make()
        write_private(path, text + "\n")
    return text


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, _OWNER_ONLY)
