"""Whether the view of orders can be believed: what is not in it yet, and what keeps it from being kept."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from redis.exceptions import RedisError

from consumers.views.store import memory_state, read_positions
from infra.base.connections import address_of, redis_client
from infra.ops.log import Log
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from infra.base.settings import Settings


CATCH_UP_SECONDS: Final = 5.0
LOOK_AGAIN_SECONDS: Final = 0.05


class ViewState(NamedTuple):
    """`behind` events of order.events are not in the view; `trouble` is what Redis suffers from, or empty."""

    behind: int
    trouble: str

    @property
    def sentence(self) -> str:
        """Both as one sentence; empty where the view can be believed."""
        if not self.behind and not self.trouble:
            return ""
        lag = f"it lacks the last {self.behind} events" if self.behind else "it may lack orders"
        return f"The view of orders is incomplete: {lag} ({self.trouble or 'see that `views` runs'})."


async def view_state(settings: Settings, *, catch_up_seconds: float = CATCH_UP_SECONDS) -> ViewState:
    """Compare the view's positions with where the log ends now; give a view that works so long to get there.

    A system with orders under way is behind by a few events at any moment. Raises InfraError.
    """
    async with Log(address_of("kafka_bootstrap", settings), settings.namespace) as log:
        ends = await log.ends(ORDER_EVENTS)
    give_up_at = time.monotonic() + catch_up_seconds
    async with redis_client(settings) as redis:
        while True:
            positions = await read_positions(redis, settings.namespace, range(len(ends)))
            behind = sum(max(0, end - (positions[p] or 0)) for p, end in enumerate(ends))
            trouble = await redis_trouble(settings)
            if trouble or not behind or time.monotonic() >= give_up_at:
                return ViewState(behind, trouble)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def redis_trouble(settings: Settings) -> str:
    """Return why Redis cannot keep the views, or may lose them; empty where nothing is wrong. Raises InfraError."""
    async with redis_client(settings) as redis:
        with contextlib.suppress(RedisError):  # INFO may be forbidden
            return (await memory_state(redis)).trouble
    return ""
