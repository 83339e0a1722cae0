"""Maintenance of a shop's weeks, at any time."""

from __future__ import annotations

import time
from typing import Any

from infra.base.weekly.weeks import DAY_MS
from infra.ops.retention.run import Done, maintain
from tests.harness.shop import Shop

LONG_AFTER_MS = 140 * DAY_MS


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def maintained(shop: Shop, at_ms: int | None = None, **options: Any) -> Done:
    done = await maintain(shop.settings, now_ms=at_ms, **options)
    assert done is not None
    return done
