"""Requests on disk until Kafka is back: files of whole entries, each forced to disk before it counts as taken.

A folder holds numbered files. An entry is its length and its CRC-32 (4 bytes each, big-endian), then the records of one
call in MessagePack. A file is deleted when everything in it is on the log, so a crash repeats records, at most those of
one file, and loses none. What a crash left half-written at the end of a file was never taken.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from lastunit_client.errors import SpoolDamagedError, SpoolError, SpoolFullError, SpoolInUseError
from producers.publisher import Outgoing

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from io import BufferedWriter, FileIO
    from pathlib import Path

FILE_BYTES: Final = 4 * 1024 * 1024
"""A file that has as many is not written to any more."""
SUFFIX: Final = ".spool"
_HEAD: Final = struct.Struct(">II")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Outgoing]).decode


class _Group:
    """Entries that are forced to disk together."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.bytes = 0
        self.error: OSError | None = None


class Spool:
    """One folder of one process. Raises SpoolInUseError, SpoolDamagedError when it is opened."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder, self._max_bytes = folder, max_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder)
        try:
            self._files = sorted(folder.glob(f"*{SUFFIX}"))
            for file in self._files[:-1]:
                _require_whole(file)
            for file in self._files[-1:]:
                _cut_half_written(file)
        except BaseException:
            self._lock.close()
            raise
        self.bytes = sum(file.stat().st_size for file in self._files)
        self._next = int(self._files[-1].stem) + 1 if self._files else 1
        self._open: FileIO | None = None
        self._writing = asyncio.Lock()
        self._group = _Group()
        self._filled, self.emptied = asyncio.Event(), asyncio.Event()
        (self._filled if self._files else self.emptied).set()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits here."""
        return not self._files and not self._writing.locked()

    async def append(self, records: Sequence[Outgoing]) -> None:
        """Return once the records are on disk; all who wait meanwhile are written at once. Raises SpoolFullError, SpoolError."""
        body = _encode(records)
        entry = _HEAD.pack(len(body), zlib.crc32(body)) + body
        if self.bytes + self._group.bytes + len(entry) > self._max_bytes:
            raise SpoolFullError(self._folder, self._max_bytes)
        group = self._group
        group.entries.append(entry)
        group.bytes += len(entry)
        async with self._writing:
            if self._group is group:
                self._group = _Group()
                self.emptied.clear()
                try:
                    await _to_its_end(asyncio.to_thread(self._write, group))
                finally:
                    (self._filled if self._files else self.emptied).set()
        if group.error is not None:
            raise SpoolError(f"The spool in {self._folder} cannot be written: {group.error}") from group.error

    async def oldest(self) -> tuple[Path, list[list[Outgoing]]]:
        """Return the oldest file and the records of each of its entries, once there is one; nothing is added to it any more."""
        await self._filled.wait()
        async with self._writing:
            file = self._files[0]
            if self._open is not None and len(self._files) == 1:
                self._close()
            return file, [_decode(body) for _, body in _entries(file)]

    async def remove(self, file: Path) -> None:
        """Delete a file whose records are all on the log."""
        async with self._writing:
            try:
                await _to_its_end(asyncio.to_thread(self._delete, file))
            finally:
                if not self._files:
                    self._filled.clear()
                    self.emptied.set()

    def close(self) -> None:
        """Give the folder back; what is in it stays."""
        self._close()
        self._lock.close()

    def _write(self, group: _Group) -> None:
        try:
            file = self._open or self._begun()
            before = file.tell()
            try:
                left = memoryview(b"".join(group.entries))
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                self._open = None  # whatever is left of it, nothing may stand behind it
                with file:
                    file.truncate(before)
                raise
        except OSError as error:
            group.error = error
            return
        self.bytes += group.bytes
        if file.tell() >= FILE_BYTES:
            self._close()

    def _delete(self, file: Path) -> None:
        size = file.stat().st_size
        file.unlink()
        _sync_folder(self._folder)
        self._files.remove(file)
        self.bytes -= size

    def _begun(self) -> FileIO:
        file = self._folder / f"{self._next:012d}{SUFFIX}"
        self._open = file.open("xb", buffering=0)
        self._next += 1
        self._files.append(file)
        _sync_folder(self._folder)
        return self._open

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def _locked(folder: Path) -> BufferedWriter:
    lock = (folder / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise SpoolInUseError(folder) from error
    return lock


def _entries(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield where each whole entry ends, and its body; stops before one that is not whole or not as it was written."""
    content = file.read_bytes()
    at = 0
    while at + _HEAD.size <= len(content):
        length, checksum = _HEAD.unpack_from(content, at)
        body = content[at + _HEAD.size : at + _HEAD.size + length]
        if len(body) < length or zlib.crc32(body) != checksum:
            return
        at += _HEAD.size + length
        yield at, body


def _whole_bytes(file: Path) -> int:
    return max((end for end, _ in _entries(file)), default=0)


def _require_whole(file: Path) -> None:
    if (whole := _whole_bytes(file)) < file.stat().st_size:
        raise SpoolDamagedError(file, whole)


def _cut_half_written(file: Path) -> None:
    """Cut off what a crash left half-written in the newest file: its caller never learned that it was taken."""
    whole = _whole_bytes(file)
    if whole < file.stat().st_size:
        with file.open("r+b") as open_file:
            open_file.truncate(whole)
            os.fsync(open_file.fileno())


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that must not be left alone, even when the caller is cancelled meanwhile."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
