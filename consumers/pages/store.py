"""Where pages and levels are in Valkey, and how they are written there and read.

A key holds what one message of a topic holds, so everything can be written again at any time. The positions stand beside
it: whatever loses the pages loses the positions too, and the topics are read from their beginning again. In a cluster a
product's keys share a slot by its id, and each write touches one key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from schemas.codec.wire import decode, encode
from schemas.messages import Product
from schemas.shop import Level

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from consumers.following.follower import Position

KEYS_A_ROUND_TRIP: Final = 500
_encode_level: Final = msgspec.json.Encoder().encode
_decode_level: Final = msgspec.json.Decoder(Level).decode


def page_key(namespace: str, product_id: str) -> str:
    """Return the key of a product's record."""
    return f"{namespace}page:{{{product_id}}}"


def level_key(namespace: str, sku: str) -> str:
    """Return the key of a SKU's level."""
    return f"{namespace}lvl:{{{sku}}}"


def owner_key(namespace: str, sku: str) -> str:
    """Return the key of the id of the product that has a SKU."""
    return f"{namespace}sku:{{{sku}}}"


def _positions_key(namespace: str, shard: str) -> str:
    return f"{namespace}pages:next_offsets:{shard}"


async def read_products(redis: Redis, namespace: str, product_ids: Sequence[str]) -> dict[str, Product]:
    """Return those of many products that there are, in one round trip."""
    values = await _get_all(redis, [page_key(namespace, product_id) for product_id in product_ids])
    return {
        product_id: cast("Product", decode(value))
        for product_id, value in zip(product_ids, values, strict=True)
        if value is not None
    }


async def read_levels(redis: Redis, namespace: str, skus: Sequence[str]) -> dict[str, Level]:
    """Return the levels of those SKUs that have one, in one round trip."""
    values = await _get_all(redis, [level_key(namespace, sku) for sku in skus])
    return {sku: _decode_level(value) for sku, value in zip(skus, values, strict=True) if value is not None}


async def read_owner(redis: Redis, namespace: str, sku: str) -> str | None:
    """Return the id of the product that has a SKU; None where no product has."""
    value = await cast("Awaitable[bytes | None]", redis.get(owner_key(namespace, sku)))
    return None if value is None else value.decode()


async def read_owners(redis: Redis, namespace: str, skus: Sequence[str]) -> dict[str, str]:
    """Return the ids of the products that have these SKUs, of those that some product has, in one round trip."""
    values = await _get_all(redis, [owner_key(namespace, sku) for sku in skus])
    return {sku: value.decode() for sku, value in zip(skus, values, strict=True) if value is not None}


async def _get_all(redis: Redis, keys: Sequence[str]) -> list[bytes | None]:
    pipeline = redis.pipeline(transaction=False)
    for key in keys:
        pipeline.get(key)
    return await pipeline.execute() if keys else []


async def write(
    redis: Redis,
    namespace: str,
    products: Mapping[str, Product | None],
    levels: Mapping[str, Level | None],
) -> None:
    """Write products and levels, or delete those that are None; return when Valkey has taken all of them."""
    writes: list[tuple[str, bytes | str | None]] = []
    for product_id, product in products.items():
        writes.append((page_key(namespace, product_id), None if product is None else encode(product)))
        if product is not None:
            writes += [(owner_key(namespace, variant.sku), product_id) for variant in product.variants]
    for sku, level in levels.items():
        writes.append((level_key(namespace, sku), None if level is None else _encode_level(level)))
    for start in range(0, len(writes), KEYS_A_ROUND_TRIP):
        pipeline = redis.pipeline(transaction=False)
        for key, value in writes[start : start + KEYS_A_ROUND_TRIP]:
            if value is None:
                pipeline.delete(key)
            else:
                pipeline.set(key, value)
        await pipeline.execute()


async def read_positions(redis: Redis, namespace: str, shard: str) -> dict[Position, int]:
    """Return the next offset to read of each partition that was ever read by this shard."""
    fields = await cast("Awaitable[dict[bytes, bytes]]", redis.hgetall(_positions_key(namespace, shard)))
    split = ((*field.decode().rpartition("/"), int(offset)) for field, offset in fields.items())
    return {(topic, int(partition)): offset for topic, _, partition, offset in split}


async def write_positions(redis: Redis, namespace: str, shard: str, positions: Mapping[Position, int]) -> None:
    """Remember that everything before these offsets is written."""
    fields: dict[Any, Any] = {f"{topic}/{partition}": offset for (topic, partition), offset in positions.items()}
    if fields:
        await redis.hset(_positions_key(namespace, shard), mapping=fields)
