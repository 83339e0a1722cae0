"""Publishes what stands in carts that were left, as signals: whoever reminds people of them reads shop.signals."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from consumers.pages.reader import PagesUnavailableError
from producers.checkout.carts import cart_digest
from producers.errors import CartsUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.pages.reader import PageReader
    from producers.checkout.abandoned import AbandonedCarts

log = structlog.get_logger()

SWEEP_SECONDS: Final = 600.0


class Abandonment:
    """Looks for carts that were left, every `pause_seconds`, while `run` runs. `signal` takes kind, product id and visitor."""

    def __init__(
        self,
        carts: AbandonedCarts,
        reader: PageReader,
        signal: Callable[[str, str, str], None],
        pause_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._carts, self._reader, self._signal, self._pause_seconds = carts, reader, signal, pause_seconds

    async def run(self) -> None:
        """Look until cancelled; what fails is looked for again at the next turn."""
        while True:
            await asyncio.sleep(self._pause_seconds)
            try:
                async for cart in self._carts.find():
                    owners = await self._reader.owners([line.sku for line in cart.lines])
                    for product_id in dict.fromkeys(owners.values()):
                        self._signal("abandoned", product_id, cart_digest(cart.cart_id))
            except (CartsUnavailableError, PagesUnavailableError) as error:
                log.info("abandoned_carts_unknown", error=str(error))
