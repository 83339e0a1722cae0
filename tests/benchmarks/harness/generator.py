"""The load generator: a process of its own, so that it shares no event loop with the meter or with a lane.

`python -m tests.benchmarks.harness.generator BOOTSTRAP NAMESPACE RATE COUNT FILE` prepares its orders of the hot SKU, says
`ready`, waits for a line, offers the orders, and leaves in FILE what it `Offered`.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import uvloop

from producers.publisher import Publisher
from tests.benchmarks.harness.open_loop import OpenLoop
from tests.benchmarks.harness.options import ROOT
from tests.benchmarks.harness.orders import hot, orders_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

READY_SECONDS: Final = 60.0
BEHIND_MS: Final = 20.0
"""A generator that handed over one order in a hundred later than this could not keep its schedule."""


Percentiles = tuple[float, float, float]
"""Median, p99, maximum."""


class Offered(msgspec.Struct, frozen=True):
    """What a generator offered: order `ids[i]` was due at `began_ms` + i * 1000 / `rate` (ms since the epoch).

    `late_ms` are the median, p99 and maximum of the time from due to handed over to the publisher, `acknowledged_ms` of
    that from due to Kafka's answer.
    """

    rate: float
    began_ms: float
    ids: list[str]
    late_ms: Percentiles
    acknowledged_ms: Percentiles

    @property
    def fell_behind(self) -> bool:
        """Whether the load that was offered is not the load that was meant."""
        return self.late_ms[1] > BEHIND_MS

    def due_ms(self) -> dict[str, float]:
        """Return when each order was due."""
        return {order_id: self.began_ms + index * 1000 / self.rate for index, order_id in enumerate(self.ids)}


class Generator:
    """A generator process that is ready."""

    def __init__(self, process: asyncio.subprocess.Process, result: Path) -> None:
        self._process = process
        self._result = result

    async def offer(self) -> Offered:
        """Let it offer all its orders; return when Kafka has acknowledged them. Raises RuntimeError when it fails."""
        await self._process.communicate(b"go\n")
        if self._process.returncode != 0:
            raise RuntimeError(f"the load generator ended with exit code {self._process.returncode}")
        return msgspec.msgpack.decode(self._result.read_bytes(), type=Offered)


@asynccontextmanager
async def generator(bootstrap: str, namespace: str, rate: float, count: int, folder: Path) -> AsyncIterator[Generator]:
    """Start a generator; it has its orders prepared when the block begins."""
    result = folder / "offered"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.harness.generator"),
        *(bootstrap, namespace, str(rate), str(count), str(result)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(READY_SECONDS):
            line = await process.stdout.readline() if process.stdout is not None else b""
        if line.strip() != b"ready":
            raise RuntimeError("the load generator did not get ready; its complaint stands above")
        yield Generator(process, result)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _offer(bootstrap: str, namespace: str, rate: float, count: int) -> Offered:
    orders = orders_for(hot(count))
    async with Publisher(bootstrap, namespace=namespace) as publisher:
        loop = OpenLoop(publisher, orders, rate)
        gc.freeze()
        gc.disable()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await loop.run()
    return Offered(
        rate, loop.began_ms, list(orders.ids), _percentiles(loop.late_ms), _percentiles(loop.acknowledged_ms)
    )


def _percentiles(values: Sequence[float]) -> Percentiles:
    p50, p99, most = np.percentile(values, (50, 99, 100)).round(2).tolist()
    return p50, p99, most


def main() -> None:
    """Be the process."""
    bootstrap, namespace, rate, count, result = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        offered = runner.run(_offer(bootstrap, namespace, float(rate), int(count)))
    Path(result).write_bytes(msgspec.msgpack.encode(offered))


if __name__ == "__main__":
    main()
