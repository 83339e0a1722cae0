"""The processor's memory: one JSON line for each executed operation, written before it is answered.

A killed processor keeps its books, because the line is with the operating system by then; with `fsync` so does a
machine that loses its power.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from infra.local.sandbox_processor.entries import Entry

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode
_READABLE_BY_OWNER: Final = 0o600


class JournalInUseError(Exception):
    """Another processor writes to this journal: stop it, or choose another data directory."""


class Journal:
    """An append-only file with one writer."""

    def __init__(self, path: Path, *, fsync: bool) -> None:
        self._path = path
        self._fsync = fsync
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _READABLE_BY_OWNER)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise JournalInUseError(f"{path} is written by another processor") from None

    def load(self) -> Iterator[Entry]:
        """Yield all entries, oldest first. A last line that was cut short was never answered, so it is removed."""
        whole_bytes = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                yield _decode(line)
                whole_bytes += len(line)
        os.ftruncate(self._file, whole_bytes)

    def append(self, entry: Entry) -> None:
        """Write an entry; when this returns it survives the death of the process."""
        os.write(self._file, _encode(entry) + b"\n")
        if self._fsync:
            os.fsync(self._file)

    def close(self) -> None:
        """Give the file and its lock back."""
        os.close(self._file)
