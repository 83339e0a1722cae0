"""Which of several records about a SKU on stock.levels is its latest level.

Producers are not fenced: an owner that was paused, and whose partition has another owner since, may deliver an old level
after a newer one. So each record has a version, and readers ignore what is older than what they know. A tombstone ends a
retired SKU; its version stands in its `ce_id`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.messages import StockLevel


class LevelVersion(NamedTuple):
    """Up to where commands count in a level: `offset` is that of the last one, under a `generation` of partitions."""

    generation: int
    offset: int


UNVERSIONED: Final = LevelVersion(0, -1)
"""Of a record from before levels had versions: older than all others."""
_TOMBSTONE_ID: Final = re.compile(rb"stock\.levels/(\d+)/\d+/(-?\d+)")


def tombstone_id(version: LevelVersion, partition: int) -> bytes:
    """Return the `ce_id` of a tombstone: `stock.levels/<generation>/<partition>/<offset>`."""
    return f"stock.levels/{version.generation}/{partition}/{version.offset}".encode()


def version_of(level: StockLevel | None, headers: Iterable[tuple[str, bytes | None]] = ()) -> LevelVersion:
    """Return the version of a level, or of a tombstone (None) with these headers."""
    if level is not None:
        return LevelVersion(level.generation, level.offset)
    for name, value in headers:
        if name == "ce_id" and (match := _TOMBSTONE_ID.fullmatch(value or b"")):
            return LevelVersion(int(match[1]), int(match[2]))
    return UNVERSIONED


class LevelVersions:
    """The newest version of each SKU's level that was read: what a read model that keeps levels its own way asks."""

    def __init__(self) -> None:
        self._newest: dict[str, LevelVersion] = {}

    def take(self, sku: str, version: LevelVersion) -> bool:
        """Note a version, unless a newer one is known; return whether it was noted."""
        if version < self._newest.get(sku, UNVERSIONED):
            return False
        self._newest[sku] = version
        return True
