"""What a seller's tables say, held against what its events say."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec

from tests.harness.waiting import until

if TYPE_CHECKING:
    from producers.clients.orders import OrderRequest

READY_SECONDS: Final = 60.0


class SagaBooks(msgspec.Struct, frozen=True):
    """What a lane's tables say: units, money in minor units, and what has not gone out."""

    on_hand: int
    reserved: int
    allocated: int
    held_minor: int
    captured_minor: int
    unpublished: int = 0

    def breaches(self, sold: Sold) -> list[str]:
        """Say what contradicts the events; nothing is under way any more."""
        checks = {
            f"{self.reserved} units still reserved": self.reserved != 0,
            f"{self.allocated} units allocated, {sold.units} sold": self.allocated != sold.units,
            f"{self.allocated} units allocated of {self.on_hand}: oversold": self.allocated > self.on_hand,
            f"{self.held_minor} minor units of money still held": self.held_minor != 0,
            f"{self.captured_minor} captured for goods of {sold.money_minor}": self.captured_minor != sold.money_minor,
            f"{self.unpublished} left in the outbox": self.unpublished != 0,
        }
        return [what for what, is_so in checks.items() if is_so]


class Sold(msgspec.Struct):
    """What the events say: units of paid orders, and what these cost."""

    units: int = 0
    money_minor: int = 0

    def add(self, order: OrderRequest) -> None:
        self.units += sum(line.quantity for line in order.lines)
        self.money_minor += order.amount_minor


async def agreed(dsn: str | None, query: str, sold: Sold) -> list[str]:
    """Compare books with events until they agree, because undoing and publishing may still go on; return what does not."""
    breaches: list[str] = []

    async def agree() -> bool:
        breaches[:] = SagaBooks(**(await fetch(dsn, query))[0]).breaches(sold)
        return not breaches

    with contextlib.suppress(TimeoutError):
        await until(agree, seconds=READY_SECONDS, poll_seconds=0.1)
    return breaches


async def fetch(dsn: str | None, query: str) -> list[dict[str, Any]]:
    """Return the rows of a query."""
    connection = await asyncpg.connect(dsn)
    try:
        return [dict(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()
