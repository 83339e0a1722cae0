"""The latest level of every SKU, as this process reads stock.levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.following.follower import Followed, Follower
from schemas.messages import StockLevel
from topology.topics import STOCK_LEVELS

if TYPE_CHECKING:
    from producers.outage import Readiness


class StockLevels:
    """Follows stock.levels from its beginning."""

    def __init__(self, bootstrap: str, namespace: str, readiness: Readiness | None = None) -> None:
        self._levels: dict[str, StockLevel] = {}
        self._follower = Follower(
            bootstrap, namespace, (STOCK_LEVELS,), self._take, name="stock levels", readiness=readiness
        )

    @property
    def is_ready(self) -> bool:
        """Whether every level that was there at the start is known."""
        return self._follower.caught_up.is_set()

    @property
    def age_ms(self) -> int:
        """How long ago all levels were known to be the latest."""
        return self._follower.age_ms(STOCK_LEVELS.name) or 0

    def get(self, sku: str) -> StockLevel | None:
        """Return the latest level of a SKU, None where it has none."""
        return self._levels.get(sku)

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._follower.run()

    def _take(self, records: list[Followed]) -> None:
        for record in records:
            if isinstance(record.message, StockLevel):
                self._levels[record.key] = record.message
            else:
                self._levels.pop(record.key, None)
