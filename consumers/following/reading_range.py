"""Reads a part of a topic once: what a listener missed between what it knows and where it began to listen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from consumers.following.follower import Followed, Follower

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from topology.topics import Topic


async def read_range(
    bootstrap: str,
    namespace: str,
    topic: Topic,
    begins: Mapping[int, int],
    ends: Mapping[int, int],
    *,
    wants: Callable[[bytes], bool] | None = None,
) -> AsyncIterator[list[Followed]]:
    """Yield the records of each partition from its offset in `begins` to the one before its offset in `ends`, in batches.

    A partition whose beginning was deleted meanwhile is read from where it begins now. Waits for as long as Kafka is away.
    """
    wanted = {partition: begin for partition, begin in begins.items() if begin < ends.get(partition, 0)}
    if not wanted:
        return
    fetched: asyncio.Queue[list[Followed]] = asyncio.Queue()
    follower = Follower(
        bootstrap, namespace, (topic,), fetched.put_nowait, name="range", shard=wanted.__contains__, wants=wants
    )
    follower.positions = {(topic.name, partition): begin for partition, begin in wanted.items()}
    reading = asyncio.create_task(follower.run(), name=f"a range of {topic.name}")  # noqa: TID251  awaited below
    try:
        while True:
            is_over = all(follower.positions[topic.name, partition] >= ends[partition] for partition in wanted)
            if is_over and fetched.empty():
                return
            records = await _next(fetched)
            if within := [record for record in records if record.offset < ends[record.partition]]:
                yield within
            if reading.done():
                await reading
    finally:
        reading.cancel()


async def _next(fetched: asyncio.Queue[list[Followed]], seconds: float = 0.05) -> list[Followed]:
    try:
        async with asyncio.timeout(seconds):
            return await fetched.get()
    except TimeoutError:
        return []
