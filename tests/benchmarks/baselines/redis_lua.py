"""Stock in Valkey: one Lua script an order (decrement, hold, event into a stream), hundreds of calls in one round trip.

A pipeline's replies come after the append-only file is as safe as `appendfsync` says; then the events go to Kafka, and
are trimmed off the stream. What an earlier process left in the stream goes out first.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from redis.asyncio import Redis

from producers.publisher import Publisher
from tests.benchmarks.baselines.relay import outgoing
from tests.benchmarks.baselines.source import Order, OrderSource, order_of
from tests.benchmarks.baselines.task import Task, run_until_stopped

SELL: Final = """
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return false end
local quantity = tonumber(ARGV[2])
local sold = 0
if tonumber(redis.call('GET', KEYS[1]) or '0') >= quantity then
    redis.call('DECRBY', KEYS[1], quantity)
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
    sold = 1
end
return {redis.call('XADD', KEYS[3], '*', ARGV[1], ARGV[5 - sold]), sold}
"""
"""KEYS: stock, holds, stream. ARGV: order id, quantity, the hold, the event of a sale, the event of a refusal."""

BOOKS: Final = """
local available = 0
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. 'available:*')) do
    available = available + tonumber(redis.call('GET', key))
end
return {available, redis.call('HLEN', KEYS[1]), redis.call('XLEN', ARGV[1] .. 'events')}
"""


def available_key(namespace: str, sku: str) -> str:
    return f"{namespace}available:{sku}"


def holds_key(namespace: str) -> str:
    return f"{namespace}holds"


async def work(task: Task, stopping: asyncio.Event) -> None:
    """Sell until told to stop: a batch is decided while the one before it is published."""
    stream = f"{task.namespace}events"
    async with (
        Redis.from_url(task.redis_url) as redis,
        Publisher(task.kafka_bootstrap, namespace=task.namespace) as publisher,
        OrderSource(task, order_of) as source,
    ):
        sell = await redis.script_load(SELL)
        left: Any = await redis.xrange(stream)
        await publisher.publish(
            [outgoing(order_id, payload) for _, pairs in left for order_id, payload in pairs.items()]
        )
        await redis.delete(stream)

        async def publish(calls: list[Call], replies: list[Any]) -> None:
            """Say what is new and take it off the stream; a redelivered order has no reply."""
            new = [(call, reply) for call, reply in zip(calls, replies, strict=True) if reply is not None]
            await publisher.publish(
                [outgoing(call.order_id, call.sale if sold else call.refusal) for call, (_, sold) in new]
            )
            if new:
                at_ms, number = new[-1][1][0].split(b"-")
                await redis.xtrim(stream, minid=f"{at_ms.decode()}-{int(number) + 1}", approximate=False)
            source.done([call.order for call in calls])

        publishing: asyncio.Task[None] | None = None
        while not stopping.is_set():
            calls = [Call(order) for order in await source.take()]
            if not calls:
                continue
            async with redis.pipeline(transaction=False) as pipeline:
                for call in calls:
                    pipeline.evalsha(sell, *call.arguments(task.namespace))
                replies = await pipeline.execute()
            if publishing is not None:
                await publishing
            publishing = asyncio.create_task(publish(calls, replies))
        if publishing is not None:
            await publishing


class Call:
    """One order's call of the script."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.order_id = order.command.order_id.encode()
        self.sale = order.reserved()
        self.refusal = order.rejected()

    def arguments(self, namespace: str) -> tuple[Any, ...]:
        command = self.order.command
        keys = (available_key(namespace, command.sku), holds_key(namespace), f"{namespace}events")
        hold = f"{command.sku}/{command.quantity}/{self.order.expires_at_ms}"
        return len(keys), *keys, self.order_id, command.quantity, hold, self.sale, self.refusal


if __name__ == "__main__":
    run_until_stopped(work)
