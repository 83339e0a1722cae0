"""From paid orders to recommendations: learn, judge on the latest orders, and put to use only what is not worse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from consumers.recommendations import item_item, store
from consumers.recommendations.evaluation import Quality, completions, is_worse, judge
from consumers.recommendations.store import Generation, Purchase
from schemas.messages import OrderPaid, OrderReserved
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from redis.asyncio import Redis

    from consumers.following.follower import Followed
    from consumers.recommendations.item_item import Model

log = structlog.get_logger()

JUDGED_SHARE: Final = 0.1
"""Of the orders, the latest: the model that is judged has not seen them."""
MOST_ORDERS: Final = 200_000
"""The latest paid orders that are learned from."""


class Basket(NamedTuple):
    """One paid order: who bought which products when (ms since the epoch, UTC)."""

    order_id: str
    customer_id: str
    at_ms: int
    products: tuple[str, ...]


class PaidOrders:
    """Collects paid orders from order.events, each once; `position` is up to where: {partition: next offset}."""

    def __init__(self) -> None:
        self._customers: dict[str, str] = {}
        self._paid: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.position: dict[int, int] = {}

    def apply(self, records: Iterable[Followed]) -> None:
        """Take in what was read."""
        for record in records:
            message = record.message
            if record.topic == ORDER_EVENTS.name:
                self.position[record.partition] = record.offset + 1
            if isinstance(message, OrderReserved):
                self._customers[message.order_id] = message.customer_id
            elif isinstance(message, OrderPaid):
                self._paid[message.order_id] = record.at_ms, tuple(line.sku for line in message.lines)

    def baskets(self, product_of: Mapping[str, str]) -> list[Basket]:
        """Return the latest orders with their products, in the order of their payment; SKUs that no product has are left out."""
        baskets = [
            Basket(
                order_id,
                self._customers.get(order_id, ""),
                at_ms,
                tuple(dict.fromkeys(product_of[sku] for sku in skus if sku in product_of)),
            )
            for order_id, (at_ms, skus) in self._paid.items()
        ]
        return sorted(baskets, key=lambda basket: (basket.at_ms, basket.order_id))[-MOST_ORDERS:]


class Outcome(NamedTuple):
    """What came of a build: the generation that is in use now, how good the new one is, and whether it was refused."""

    in_use: Generation | None
    quality: Quality
    was_refused: bool


async def build(
    redis: Redis, namespace: str, baskets: Sequence[Basket], now_ms: int, position: Mapping[int, int] | None = None
) -> Outcome:
    """Learn from baskets and put the result to use, unless it is worse than what is in use on the same latest orders.

    `position` is up to where the baskets were read (`PaidOrders.position`), which answers name.
    """
    cut = len(baskets) - int(len(baskets) * JUDGED_SHARE)
    candidate = item_item.build([basket.products for basket in baskets[:cut]])
    cases = completions([basket.products for basket in baskets[cut:]], frozenset(candidate))
    quality = judge(lambda given: _recommended(candidate, given), cases)
    current = await store.read_current(redis, namespace)
    if current is not None:
        known = {item for case in cases for item in case.given}
        present = await store.read_model(redis, namespace, current.number, known)
        if is_worse(quality, judge(lambda given: _recommended(present, given), cases)):
            log.warning("recommendations_refused", hit=round(quality.hit, 4), cases=quality.cases)
            return Outcome(current, quality, was_refused=True)
    model = item_item.build([basket.products for basket in baskets])
    number = current.number + 1 if current else 1
    await store.delete_generation(redis, namespace, number)
    await store.write_generation(redis, namespace, number, model)
    await store.write_purchases(redis, namespace, _purchases(baskets))
    previous = current.number if current else None
    generation = Generation(number, quality, len(model), now_ms, previous, dict(position or {}))
    await store.use(redis, namespace, generation)
    if current is not None and current.previous is not None:
        await store.delete_generation(redis, namespace, current.previous)
    log.info("recommendations_built", generation=number, products=len(model), hit=round(quality.hit, 4))
    return Outcome(generation, quality, was_refused=False)


def _recommended(model: Model, given: tuple[str, ...]) -> list[str]:
    return [neighbour.item for neighbour in item_item.recommend(model, given, 10)]


def _purchases(baskets: Iterable[Basket]) -> list[tuple[str, str, Purchase]]:
    return [
        (basket.customer_id, basket.order_id, Purchase(basket.at_ms, basket.products))
        for basket in baskets
        if basket.customer_id
    ]


async def roll_back(redis: Redis, namespace: str) -> Generation | None:
    """Put the generation before to use again; None where there is none."""
    current = await store.read_current(redis, namespace)
    if current is None or current.previous is None:
        return None
    before = Generation(current.previous, Quality(0, 0, 0), 0, current.built_at_ms)
    await store.use(redis, namespace, before)
    return before
