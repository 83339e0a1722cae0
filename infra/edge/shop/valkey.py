"""Questions to Valkey whose failure a shopper is told as what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from producers.errors import CartsUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable


async def asked(answer: Awaitable[Any]) -> Any:
    """Return Valkey's answer. Raises CartsUnavailableError where there is none."""
    try:
        return await answer
    except (RedisError, OSError, TimeoutError) as error:
        raise CartsUnavailableError(str(error)) from error
