"""What shoppers meet and what must come of it: prices that change, and orders held against clicks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from infra.edge.shop.placing import CHECKED_SECONDS, PRICE_AGE_MS
from schemas import messages as m
from tests.chaos.walk import Click
from tests.harness.reading import Catalogue
from tests.stack.test_shop import current
from tests.unit.search.shelf import product
from topology.states import OrderState

CONFLICT: Final = 409
SKUS: Final = tuple(f"MUG-{number}" for number in range(12))
SLACK_MS: Final = PRICE_AGE_MS + round(1000 * CHECKED_SECONDS)
"""How long after its end a price may come on the log. Prices are read and orders published in no common transaction: what is compared
is at most so old, and counts for so long; an order that took longer is compared again, and withdrawn if its price is over."""


class Past(NamedTuple):
    """A price (minor units), since when it was true, and until when (ms since the epoch, UTC): when Kafka had the next one."""

    minor: int
    since_ms: int = 0
    until_ms: int = 2**62


class Prices:
    """What each SKU costs since when: changed now and then, and the past kept for the judgement."""

    def __init__(self, catalogue: Catalogue, seed: int) -> None:
        self._catalogue, self._draw = catalogue, random.Random(seed)
        self.products = {
            sku: current(product(sku, f"Mug {sku}", price=300 + 10 * number, category="Kitchen/Mugs"))
            for number, sku in enumerate(SKUS)
        }
        self.past: dict[str, list[Past]] = {sku: [Past(300 + 10 * number)] for number, sku in enumerate(SKUS)}

    async def put_all(self) -> None:
        """Publish every product."""
        await self._catalogue.put(self.products.values())

    async def change_now_and_then(self, pause_seconds: float) -> None:
        """Change one price after the other, until cancelled."""
        while True:
            await asyncio.sleep(pause_seconds)
            sku = self._draw.choice(SKUS)
            now_ms, minor = time.time_ns() // 1_000_000, self._draw.randrange(200, 900)
            before = self.products[sku]
            dated = (*before.prices, m.Price(sku, minor, now_ms))
            self.products[sku] = msgspec.structs.replace(before, prices=dated, version=before.version + 1)
            self.past[sku].append(Past(minor, now_ms))
            await self._catalogue.put([self.products[sku]])
            self.past[sku][-2] = self.past[sku][-2]._replace(until_ms=time.time_ns() // 1_000_000)

    def over_ms(self, sku: str, minor: int, at_ms: int) -> int | None:
        """Return for how long a price was over at a time, 0 where it was true; None where it had never been."""
        over = [
            max(0, at_ms - past.until_ms) for past in self.past[sku] if past.minor == minor and past.since_ms <= at_ms
        ]
        return min(over, default=None)


class Placed(NamedTuple):
    """An order that there is: its state, and what it costs (minor units); one that came to nothing was never priced."""

    state: str
    amount_minor: int


def breaches_of(clicks: Sequence[Click], orders: Mapping[str, Placed]) -> list[str]:
    """Hold clicks against the orders that there are. A click that was answered with another quote is no order, or a cancelled one."""
    placed = {click.order_id: click for click in clicks if click.locations}
    refused = {click.order_id for click in clicks if not click.locations}
    problems = [f"click {order_id} is no order" for order_id in placed.keys() - orders.keys()]
    problems += [f"order {order_id} was clicked by nobody" for order_id in orders.keys() - placed.keys() - refused]
    problems += [
        f"order {order_id} was refused, and is {orders[order_id].state}"
        for order_id in refused & orders.keys()
        if orders[order_id].state != OrderState.CANCELLED
    ]
    problems += [f"{click.order_id} leads to {click.locations}" for click in clicks if len(click.locations) > 1]
    problems += [f"{click.order_id} was placed and refused" for click in placed.values() if CONFLICT in click.statuses]
    problems += [
        f"{order_id} showed {click.shown_minor}, charged {orders[order_id].amount_minor}"
        for order_id, click in placed.items()
        if order_id in orders and orders[order_id].amount_minor not in (0, click.shown_minor)
    ]
    return problems
