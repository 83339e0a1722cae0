"""A reader of stock.levels that goes by the versions, as the tests hold the product's readers against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.stock_levels import LevelVersion, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.messages import StockLevel


class LatestLevels:
    """The latest level of each SKU, in whatever order its records are read. A retired SKU has None."""

    def __init__(self) -> None:
        self._levels: dict[bytes, tuple[LevelVersion, StockLevel | None]] = {}
        self.ignored = 0

    @property
    def levels(self) -> Mapping[bytes, StockLevel | None]:
        """The levels by key."""
        return {key: level for key, (_, level) in self._levels.items()}

    def take(self, key: bytes, level: StockLevel | None, headers: Iterable[tuple[str, bytes | None]] = ()) -> bool:
        """Take a record's level, unless a newer one is known; return whether it was taken."""
        version = version_of(level, headers)
        known = self._levels.get(key)
        if known is not None and version < known[0]:
            self.ignored += 1
            return False
        self._levels[key] = (version, level)
        return True
