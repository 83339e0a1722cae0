"""What is in demand, by the hour: counts in Valkey, each with the position up to which its partition was counted.

A batch adds its counts and moves the position in one script, which does nothing when the position is elsewhere: what is read
again after a crash is not counted again, so the counts equal a recount of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from redis.asyncio import Redis

HOUR_S: Final = 3_600
KEPT_S: Final = 48 * HOUR_S
RECENT_HOURS: Final = 3
BEST: Final = 100
"""Members of each hour and partition that are looked at for what is in demand now."""

# KEYS: position, then one sorted set for each hour. ARGV: position as it is believed to be, new position, seconds to keep;
# then for each hour how many pairs follow, and (count, member) pairs. Returns the position that there is.
_COUNT: Final = """
local at = redis.call('GET', KEYS[1]) or ''
if at ~= ARGV[1] then return at end
local place = 4
for i = 2, #KEYS do
  local pairs = tonumber(ARGV[place])
  for j = 1, pairs do
    redis.call('ZINCRBY', KEYS[i], ARGV[place + 2 * j - 1], ARGV[place + 2 * j])
  end
  redis.call('EXPIRE', KEYS[i], ARGV[3])
  place = place + 1 + 2 * pairs
end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
"""


def _tag(namespace: str, source: str) -> str:
    return f"{namespace}trend:{{{source}}}"


async def read_position(redis: Redis, namespace: str, source: str) -> int | None:
    """Return the next offset to count of a source (topic/partition); None where nothing was counted."""
    value = await cast("Awaitable[bytes | None]", redis.get(f"{_tag(namespace, source)}:next"))
    return None if value is None else int(value)


async def count(
    redis: Redis,
    namespace: str,
    source: str,
    *,
    believed: int | None,
    reached: int,
    by_hour: Mapping[int, Mapping[str, int]],
) -> int | None:
    """Add counts by hour (hours since the epoch) and member, if the source stands where it is believed to; return where it stands."""
    tag = _tag(namespace, source)
    keys = [f"{tag}:next", *(f"{tag}:{hour}" for hour in by_hour)]
    arguments: list[str | int] = ["" if believed is None else believed, reached, KEPT_S]
    for counts in by_hour.values():
        arguments.append(len(counts))
        for member, number in counts.items():
            arguments += (number, member)
    position = await cast("Awaitable[bytes]", redis.eval(_COUNT, len(keys), *keys, *arguments))
    return int(position) if position else None


async def forget(redis: Redis, namespace: str, source: str) -> None:
    """Drop the counts of a source with its position, so that whatever is read of it next is counted. Looks at every key once."""
    keys = [key async for key in redis.scan_iter(match=f"{_tag(namespace, source)}:*", count=1_000)]
    if keys:
        await redis.delete(*keys)


async def read_hours(
    redis: Redis, namespace: str, sources: Sequence[str], hours: Sequence[int], best: int = BEST
) -> Counter[str]:
    """Return the counts of several hours together, of the best members of each source and hour."""
    pipeline = redis.pipeline(transaction=False)
    for source in sources:
        for hour in hours:
            pipeline.zrevrange(f"{_tag(namespace, source)}:{hour}", 0, best - 1, withscores=True)
    counts: Counter[str] = Counter()
    for rows in await pipeline.execute():
        for member, number in rows:
            counts[member.decode()] += int(number)
    return counts
