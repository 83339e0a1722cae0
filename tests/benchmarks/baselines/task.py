"""What a baseline's process is told: one JSON document in the environment (it has passwords in it)."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Final

import msgspec
import uvloop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

VARIABLE: Final = "BENCH_TASK"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Where a baseline reads and writes, and how it goes about it.

    `namespace` has its topics, the names of which are the product's. `connections` is its concurrency, `together` how
    many orders it takes from Kafka at once, `relay_pause_ms` the least time from one publication of its outbox to the next,
    `processor_ms` how long the payment processor takes for an answer. `processes` share
    the `partitions` of the topic between them.
    """

    kafka_bootstrap: str
    postgres_dsn: str
    redis_url: str
    namespace: str
    variant: str
    connections: int
    relay_pause_ms: int
    state_dir: str
    together: int = 500
    processor_ms: float = 0
    processes: int = 1
    partitions: int = 12

    def environment(self) -> dict[str, str]:
        """Return the variables with which a child process finds this task."""
        return {VARIABLE: msgspec.json.encode(self).decode()}


def read_task() -> Task:
    """Return the task that this process was started for."""
    return msgspec.json.decode(os.environ[VARIABLE], type=Task)


def collect_garbage_rarely() -> None:
    """Let the garbage collector look as rarely as in the product's processes."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)


def run_until_stopped(work: Callable[[Task, asyncio.Event], Awaitable[None]]) -> None:
    """Be the process of a baseline: `work` until SIGTERM, which only sets the event, so that it ends in good order."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    collect_garbage_rarely()

    async def main() -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        await work(read_task(), stopping)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
