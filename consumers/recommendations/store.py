"""Where recommendations are in Valkey: generations side by side, of which a pointer names the one in use.

A generation is written whole before the pointer moves, so readers see one or the other; the one before stays for a way back.
What customers bought stands under each order's id, so writing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from consumers.recommendations.evaluation import Quality
from consumers.recommendations.item_item import Model, Neighbour

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEYS_A_ROUND_TRIP: Final = 500
HISTORY_SECONDS: Final = 400 * 86_400
"""How long what a customer bought is remembered after the last order."""
_encode: Final = msgspec.json.Encoder().encode


class Generation(msgspec.Struct, frozen=True):
    """Which recommendations are in use: their number, how good they were found, and the ones before them.

    `position` is up to where the orders that were learned from had been read: {partition of order.events: next offset}.
    """

    number: int
    quality: Quality
    products: int
    built_at_ms: int
    previous: int | None = None
    position: dict[int, int] = {}


class Purchase(msgspec.Struct, frozen=True, array_like=True):
    """What one order of a customer held, and when it was paid (ms since the epoch, UTC)."""

    at_ms: int
    products: tuple[str, ...]


_decode_neighbours: Final = msgspec.json.Decoder(tuple[Neighbour, ...]).decode
_decode_generation: Final = msgspec.json.Decoder(Generation).decode
_decode_purchase: Final = msgspec.json.Decoder(Purchase).decode


def _current_key(namespace: str) -> str:
    return f"{namespace}rec:current"


def _neighbours_key(namespace: str, generation: int, product_id: str) -> str:
    return f"{namespace}rec:g{generation}:{{{product_id}}}"


def _history_key(namespace: str, customer_id: str) -> str:
    return f"{namespace}bought:{{{customer_id}}}"


async def read_current(redis: Redis, namespace: str) -> Generation | None:
    """Return which generation is in use; None before the first."""
    value = await cast("Awaitable[bytes | None]", redis.get(_current_key(namespace)))
    return None if value is None else _decode_generation(value)


async def read_neighbours(redis: Redis, namespace: str, product_ids: Sequence[str]) -> Model:
    """Return what goes with each of these products, by the generation in use; two round trips."""
    current = await read_current(redis, namespace)
    return {} if current is None else await read_model(redis, namespace, current.number, product_ids)


async def read_model(redis: Redis, namespace: str, generation: int, product_ids: Iterable[str]) -> Model:
    """Return what goes with each of these products, by one generation."""
    ids, model = list(product_ids), {}
    for start in range(0, len(ids), KEYS_A_ROUND_TRIP):
        some = ids[start : start + KEYS_A_ROUND_TRIP]
        pipeline = redis.pipeline(transaction=False)
        for product_id in some:
            pipeline.get(_neighbours_key(namespace, generation, product_id))
        for product_id, value in zip(some, await pipeline.execute(), strict=True):
            if value is not None:
                model[product_id] = _decode_neighbours(value)
    return model


async def write_generation(redis: Redis, namespace: str, number: int, model: Mapping[str, Sequence[Neighbour]]) -> None:
    """Write a generation that nobody reads yet."""
    items = list(model.items())
    for start in range(0, len(items), KEYS_A_ROUND_TRIP):
        pipeline = redis.pipeline(transaction=False)
        for product_id, neighbours in items[start : start + KEYS_A_ROUND_TRIP]:
            pipeline.set(_neighbours_key(namespace, number, product_id), _encode(neighbours))
        await pipeline.execute()


async def use(redis: Redis, namespace: str, generation: Generation) -> None:
    """Put a generation to use."""
    await redis.set(_current_key(namespace), _encode(generation))


async def delete_generation(redis: Redis, namespace: str, number: int) -> None:
    """Delete a generation that nobody reads any more."""
    some: list[Any] = []
    async for key in redis.scan_iter(match=f"{_escaped(namespace)}rec:g{number}:*", count=1_000):
        some.append(key)
        if len(some) >= KEYS_A_ROUND_TRIP:
            await redis.unlink(*some)
            some = []
    if some:
        await redis.unlink(*some)


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "*?[]\\" else character for character in text)


async def write_purchases(redis: Redis, namespace: str, purchases: Iterable[tuple[str, str, Purchase]]) -> None:
    """Remember (customer, order, purchase); what is written again changes nothing."""
    pipeline = redis.pipeline(transaction=False)
    for customer_id, order_id, purchase in purchases:
        key = _history_key(namespace, customer_id)
        pipeline.hset(key, order_id, _encode(purchase))
        pipeline.expire(key, HISTORY_SECONDS)
    await pipeline.execute()


async def read_purchases(redis: Redis, namespace: str, customer_id: str) -> list[Purchase]:
    """Return what a customer bought, in no order."""
    purchases = await cast("Awaitable[dict[bytes, bytes]]", redis.hgetall(_history_key(namespace, customer_id)))
    return [_decode_purchase(value) for value in purchases.values()]
