"""Traffic for a test: one seed, one race for stock that is not enough for all."""

from __future__ import annotations

import time

from producers.importing.generated import Traffic, generate
from tests.harness.shop import Shop

SKUS = 12


async def race(shop: Shop, seed: int, *, orders: int) -> Traffic:
    """Bring in the stock of a race, and return its orders, which are still to be placed."""
    print(f"seed {seed}, {orders} orders")  # noqa: T201  shown when the test fails
    traffic = generate(seed, now_ms=time.time_ns() // 1_000_000, orders=orders, skus=SKUS)
    await shop.receive(**traffic.stock)
    return traffic
