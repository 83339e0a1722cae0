"""Where the views are in Redis, how a batch is written there, and how far each partition has come.

Redis itself remembers the positions, beside the views: whatever loses the views loses the positions too, and who finds
his position gone reads the log from its beginning. All writes can be repeated and come in any order: an event stands
under its offset, which no other event of its order has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from consumers.views.timeline import OrderView, TimelineEvent, view_of

TTL_SECONDS: Final = 30 * 86_400
"""How long an order stays after its last event; it can be read from the log again at any time."""

# Positions move only from where their mover believes them: a writer that was overtaken, or whose Redis was emptied
# meanwhile, gets the list of such partitions and moves nothing.
_MOVE: Final = """
local lost = {}
for i = 1, #ARGV, 3 do
  if (redis.call('HGET', KEYS[1], ARGV[i]) or '') == ARGV[i + 1] then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
"""

# KEYS are orders, ARGV the TTL, then for each order how many arguments follow and (offset, event) pairs. One command for
# the whole batch, since a command of its own for each order costs redis-py eight times as much.
_WRITE: Final = """
local at = 2
for i = 1, #KEYS do
  local last = at + ARGV[at]
  redis.call('HSET', KEYS[i], unpack(ARGV, at + 1, last))
  redis.call('EXPIRE', KEYS[i], ARGV[1])
  at = last + 1
end
"""
ORDERS_A_COMMAND: Final = 500
"""How many orders are written before Redis serves somebody else."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(TimelineEvent).decode

Move = tuple[int, int | None, int]
"""(partition, position as it is believed to be, new position); None is a partition never read."""


async def read_timeline(redis: Redis, namespace: str, order_id: str) -> OrderView | None:
    """Return an order as far as its events were read, or None for one of which no event was read."""
    fields = await cast("Awaitable[dict[Any, bytes]]", redis.hgetall(_order_key(namespace, order_id)))
    return view_of(order_id, map(_decode, fields.values())) if fields else None


async def read_timelines(redis: Redis, namespace: str, order_ids: Sequence[str]) -> dict[str, OrderView]:
    """Return those of many orders of which anything was read, in one round trip."""
    pipeline = redis.pipeline(transaction=False)
    for order_id in order_ids:
        pipeline.hgetall(_order_key(namespace, order_id))
    by_order = zip(order_ids, await pipeline.execute(), strict=True) if order_ids else ()
    return {order_id: view_of(order_id, map(_decode, fields.values())) for order_id, fields in by_order if fields}


async def count_events(redis: Redis, namespace: str, order_ids: Sequence[str]) -> list[int]:
    """Return how many events each order's timeline has, in one round trip."""
    pipeline = redis.pipeline(transaction=False)
    for order_id in order_ids:
        pipeline.hlen(_order_key(namespace, order_id))
    return list(await pipeline.execute())


async def forget_positions(redis: Redis, namespace: str) -> None:
    """Have the views room, running or not, read the whole log again."""
    await redis.delete(_positions_key(namespace))


async def set_positions(redis: Redis, namespace: str, positions: Mapping[int, int]) -> None:
    """Have the views room, running or not, read these partitions again from these offsets; the index is written again too."""
    mapping: Mapping[Any, Any] = {str(partition): at for partition, at in positions.items()}
    await redis.hset(_positions_key(namespace), mapping=mapping)


async def read_positions(redis: Redis, namespace: str, partitions: Sequence[int]) -> dict[int, int | None]:
    """Return the next offset to read of each partition."""
    if not partitions:
        return {}
    offsets = await cast(
        "Awaitable[list[bytes | None]]", redis.hmget(_positions_key(namespace), list(map(str, partitions)))
    )
    return {p: None if at is None else int(at) for p, at in zip(partitions, offsets, strict=True)}


class MemoryState(NamedTuple):
    """How Redis stands with its memory, in bytes."""

    role: str
    used_bytes: int
    max_bytes: int
    policy: str

    @property
    def may_evict(self) -> bool:
        """Whether Redis may drop orders to make room: all policies but one may, as orders have a time to live."""
        return self.max_bytes > 0 and self.policy != "noeviction"

    @property
    def trouble(self) -> str:
        """Why views cannot be kept, or may be lost; empty where nothing is wrong."""
        if self.role == "slave":
            return "Redis is a read-only replica"
        if self.may_evict:
            return f"Redis evicts what it holds (maxmemory-policy {self.policy}); set noeviction"
        if 0 < self.max_bytes <= self.used_bytes:
            return f"Redis is full ({self.used_bytes:,} of {self.max_bytes:,} bytes)"
        return ""


async def memory_state(redis: Redis) -> MemoryState:
    """Ask Redis for its memory and its role. Raises RedisError, also where it does not allow INFO."""
    memory, replication = await redis.info("memory"), await redis.info("replication")
    return MemoryState(
        replication["role"], memory["used_memory"], memory.get("maxmemory", 0), memory.get("maxmemory_policy", "")
    )


async def move_positions(redis: Redis, namespace: str, moves: Iterable[Move]) -> set[int]:
    """Remember that all before the new positions is written; return the partitions that stand elsewhere than believed."""
    arguments = [
        str(argument) for partition, old, new in moves for argument in (partition, "" if old is None else old, new)
    ]
    lost = await cast("Awaitable[list[bytes]]", redis.eval(_MOVE, 1, _positions_key(namespace), *arguments))
    return {int(partition) for partition in lost}


async def write_events(
    redis: Redis, namespace: str, by_order: Mapping[str, Sequence[TimelineEvent]], ttl_seconds: int = TTL_SECONDS
) -> None:
    """Write the events of many orders; return when Redis has taken all of them."""
    orders = list(by_order.items())
    for start in range(0, len(orders), ORDERS_A_COMMAND):
        some = orders[start : start + ORDERS_A_COMMAND]
        keys = [_order_key(namespace, order_id) for order_id, _ in some]
        arguments: list[Any] = [ttl_seconds]
        for _, events in some:
            arguments.append(2 * len(events))
            for event in events:
                arguments += (event.offset, _encode(event))
        await cast("Awaitable[None]", redis.eval(_WRITE, len(keys), *keys, *arguments))


def _order_key(namespace: str, order_id: str) -> str:
    return f"{namespace}order:{order_id}"


def _positions_key(namespace: str) -> str:
    return f"{namespace}views:next_offsets"
