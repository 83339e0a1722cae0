"""Carts that nobody has touched for a day and that are not empty: each is found once for each time that it is left.

A cart's time to live begins anew with every change, so what is left of it tells when the last one was: nothing is written
for it while people shop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from redis.exceptions import RedisError

from producers.checkout.carts import LIFETIME_S, Carts
from producers.errors import CartsUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from redis.asyncio import Redis

    from producers.checkout.carts import Cart

ABANDONED_S: Final = 24 * 3600
WINDOW_S: Final = 24 * 3600
"""A cart that was left for longer than this beyond ABANDONED_S is no news any more."""
_SCANNED: Final = 500


class AbandonedCarts:
    """Finds carts that were left for `after_s` seconds. Raises CartsUnavailableError where Valkey does not answer."""

    def __init__(self, redis: Redis, namespace: str = "", after_s: int = ABANDONED_S) -> None:
        self._redis, self._namespace, self._after_s = redis, namespace, after_s
        self._carts = Carts(redis, namespace)

    async def find(self) -> AsyncIterator[Cart]:
        """Yield carts that are left by now, each version of one once, whoever else looks for them too."""
        try:
            async for cart_id in self._left():
                cart = await self._carts.read(cart_id)
                if cart.lines and await self._is_news(cart):
                    yield cart
        except (RedisError, OSError, TimeoutError) as error:
            raise CartsUnavailableError(str(error)) from error

    async def _left(self) -> AsyncIterator[str]:
        prefix = f"{self._namespace}cart:{{"
        cursor = 0
        while True:
            scanned = self._redis.scan(cursor, match=f"{prefix}*", count=_SCANNED)
            cursor, keys = await cast("Awaitable[tuple[int, list[bytes]]]", scanned)
            pipeline = self._redis.pipeline(transaction=False)
            for key in keys:
                pipeline.ttl(key)
            for key, left_s in zip(keys, await pipeline.execute(), strict=True):
                if self._after_s <= LIFETIME_S - left_s < self._after_s + WINDOW_S:
                    yield key.decode()[len(prefix) : -1]
            if cursor == 0:
                return

    async def _is_news(self, cart: Cart) -> bool:
        key = f"{self._namespace}shop:abandoned:{{{cart.cart_id}}}:{cart.version}"
        return bool(await self._redis.set(key, b"", nx=True, ex=2 * WINDOW_S))
