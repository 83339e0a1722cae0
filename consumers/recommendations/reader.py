"""What a page asks: what goes with a product, and what a visitor may want. Nothing is better than a page that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from redis.exceptions import RedisError

from consumers.recommendations import item_item, store
from consumers.recommendations.blending import Recommended, again, bought_again, together
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from consumers.recommendations.store import Generation

log = structlog.get_logger()

WANTED: Final = 24
"""More than are shown: some are sold out by now."""


class Recommendations:
    """Reads recommendations from Valkey; where it is away there are none."""

    def __init__(self, redis: Redis, namespace: str) -> None:
        self._redis, self._namespace = redis, namespace

    async def related(self, product_id: str) -> tuple[list[Recommended], str]:
        """Return what is bought together with a product, best first, and the position of the log that this is true at."""
        try:
            current = await store.read_current(self._redis, self._namespace)
            if current is None:
                return [], ""
            model = await store.read_model(self._redis, self._namespace, current.number, [product_id])
        except (RedisError, OSError, TimeoutError) as error:
            return _none(error), ""
        neighbours = model.get(product_id, ())[:WANTED]
        return [Recommended(neighbour.item, together(neighbour.together)) for neighbour in neighbours], _named(current)

    async def for_customer(self, customer_id: str, having: Sequence[str]) -> list[list[Recommended]]:
        """Return what a customer buys again and again, and what goes with what they have or bought last."""
        try:
            purchases = await store.read_purchases(self._redis, self._namespace, customer_id) if customer_id else []
            last = max(purchases, key=lambda purchase: purchase.at_ms, default=None)
            own = list(having) or (list(last.products) if last else [])
            model = await store.read_neighbours(self._redis, self._namespace, own) if own else {}
        except (RedisError, OSError, TimeoutError) as error:
            _none(error)
            return []
        known = bought_again([(purchase.at_ms, purchase.products) for purchase in purchases], WANTED)
        return [
            [Recommended(product_id, again(times)) for product_id, times in known if product_id not in having],
            [
                Recommended(neighbour.item, together(neighbour.together))
                for neighbour in item_item.recommend(model, own, WANTED)
            ],
        ]


def _named(generation: Generation) -> str:
    """Return a generation as answers name it: g3 order.events 0/120 1/88 (partition/next offset)."""
    offsets = [f"{partition}/{offset}" for partition, offset in sorted(generation.position.items())]
    return " ".join((f"g{generation.number}", *((ORDER_EVENTS.name, *offsets) if offsets else ())))


def _none(error: Exception) -> list[Recommended]:
    log.warning("recommendations_unavailable", error=f"{type(error).__name__}: {error}")
    return []
