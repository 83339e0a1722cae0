"""What crashes take of carts: additions that were acknowledged, and are gone after kill -9 or a power cut.

Writers add to carts until the server dies; it starts again on what its append-only file has. A power cut leaves of that file
what fsync had confirmed: a connection writes a mark every few milliseconds and waits until it is durable (WAITAOF), and the file
is cut behind the last mark that was, so at least all that a power cut can take is gone. On a slow disk (`fdatasync` takes
SLOW_FSYNC_SECONDS, by a library that is loaded into Valkey) writes wait in Valkey's memory while an fsync is under way.

Decision: docs/decisions, 053.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra.local.stack.valkey import Valkey
from producers.checkout.carts import CartLine, Carts
from producers.errors import CartsUnavailableError
from tests.benchmarks.harness.rounds import say
from tests.benchmarks.harness.spread import spread
from tests.benchmarks.reading.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report

WRITERS: Final = 8
CART_UNITS: Final = 900
"""Additions to one cart before its writer goes on to the next, below what a cart takes."""
LIFE_SECONDS: Final = (4.0, 7.0)
"""For how long writers add before the crash: drawn from this range."""
MARK_SECONDS: Final = 0.005
SLOW_FSYNC_SECONDS: Final = 1.5
ADDITIONS: Final = 400
PASSWORD: Final = "of-a-benchmark"
_SLOW_FSYNC: Final = """
#include <unistd.h>
#include <sys/syscall.h>
int fdatasync(int fd) { usleep(%d); return (int)syscall(SYS_fdatasync, fd); }
"""


class Loss(NamedTuple):
    """What one crash took: additions, of how many, and how long before the crash the oldest of them was acknowledged."""

    lost: int
    acknowledged: int
    age_ms: float


class CrashingValkey(Valkey):
    """A server as the stack has it, with a library in front of libc's where one is given."""

    library: Path | None = None

    def command(self) -> list[str | Path]:
        """See ServerPart."""
        return super().command() if self.library is None else ["env", f"LD_PRELOAD={self.library}", *super().command()]

    def cut_behind(self, mark: bytes) -> None:
        """Leave of the append-only file what is up to a mark; without one, nothing."""
        file = max((self.folder / "appendonlydir").glob("*.incr.aof"))
        content = file.read_bytes()
        with file.open("r+b") as opened:
            opened.truncate(content.rindex(mark) + len(mark) + len(b"\r\n") if mark else 0)


class Writer:
    """Adds a unit at a time to carts of its own, and keeps when each was acknowledged (s, monotonic)."""

    def __init__(self, address: str, number: int) -> None:
        self._redis = Redis.from_url(address, socket_timeout=30)
        self._number = number
        self.acknowledged: list[float] = []

    async def run(self) -> None:
        """Add until the server is gone."""
        carts = Carts(self._redis)
        try:
            while True:
                await carts.add(self._cart(len(self.acknowledged) // CART_UNITS), [CartLine("MUG", 1)])
                self.acknowledged.append(time.monotonic())
        except CartsUnavailableError:
            await self._redis.aclose()

    async def kept(self, redis: Redis) -> int:
        """Return how many units there are in this writer's carts."""
        carts = Carts(redis)
        numbers = range(len(self.acknowledged) // CART_UNITS + 1)
        return sum([(await carts.read(self._cart(number))).units for number in numbers])

    def _cart(self, number: int) -> str:
        return f"w{self._number}-{number}"


class Marks:
    """Writes marks and waits until each is durable; `last` is the latest that was."""

    def __init__(self, address: str) -> None:
        self._redis = Redis.from_url(address, socket_timeout=30)
        self.last = b""

    async def run(self) -> None:
        """Mark until the server is gone."""
        try:
            while True:
                mark = b"mark-%016d" % time.monotonic_ns()
                await self._redis.set("mark", mark)
                await cast("Awaitable[Any]", self._redis.execute_command("WAITAOF", 1, 0, 0))  # type: ignore[no-untyped-call]
                self.last = mark
                await asyncio.sleep(MARK_SECONDS)
        except (RedisError, OSError):
            await self._redis.aclose()


async def measure_losses(options: Options, report: Report) -> None:
    """Crash a server of carts in each way, some rounds each."""
    with TemporaryDirectory() as folder:
        slow = await _slow_library(Path(folder))
        if slow is None:
            report.skipped["slow disk"] = "there is no C compiler (cc)"
        for name, library, is_power_cut in (
            ("kill -9", None, False),
            ("power cut", None, True),
            *((("kill -9, slow disk", slow, False), ("power cut, slow disk", slow, True)) if slow else ()),
        ):
            losses = []
            for number in range(options.rounds):
                home = Path(folder) / f"{name}-{number}".replace(" ", "_").replace(",", "")
                losses.append(await _crashed(home, library, is_power_cut=is_power_cut))
                say(f"{name}: {losses[-1].lost} of {losses[-1].acknowledged:,} lost, {losses[-1].age_ms:.0f} ms")
            columns = zip(*losses, strict=True)
            report.details[name] = {
                what: spread(list(map(float, column))) for what, column in zip(Loss._fields, columns, strict=True)
            }
        await _cost_of_always(options, report, Path(folder))


async def _cost_of_always(options: Options, report: Report, folder: Path) -> None:
    """Measure an addition with `appendfsync everysec` and with `always`, which loses nothing, in turn."""
    server = CrashingValkey(folder / "always", free_port(), PASSWORD, 30, lambda _: None)
    await server.start()
    redis = Redis.from_url(server.address, socket_timeout=30)
    carts = Carts(redis)
    taken: dict[str, list[float]] = {"everysec": [], "always": []}
    for _ in range(options.rounds):
        for policy, milliseconds in taken.items():
            await redis.config_set("appendfsync", policy)
            for number in range(10 if options.quick else ADDITIONS):
                began = time.perf_counter()
                await carts.add(f"cool-{number % 50}", [CartLine("MUG", 1)])
                milliseconds.append((time.perf_counter() - began) * 1000)
    for policy, milliseconds in taken.items():
        report.figure(f"cart_add_p50_ms_{policy}", statistics.median(milliseconds))
        report.figure(f"cart_add_p99_ms_{policy}", statistics.quantiles(milliseconds, n=100)[-1])
    await redis.aclose()
    await server.stop()


async def _crashed(folder: Path, library: Path | None, *, is_power_cut: bool) -> Loss:
    server = CrashingValkey(folder, free_port(), PASSWORD, 30, lambda _: None)
    server.library = library
    await server.start()
    writers = [Writer(server.address, number) for number in range(WRITERS)]
    marks = Marks(server.address)
    work = [asyncio.create_task(writer.run()) for writer in writers]
    if is_power_cut:
        work.append(asyncio.create_task(marks.run()))
    await asyncio.sleep(random.uniform(*LIFE_SECONDS))
    crashed_at = time.monotonic()
    await server.kill()
    await asyncio.gather(*work)
    if is_power_cut:
        server.cut_behind(marks.last)
    server.library = None
    await server.start()
    try:
        return await _counted(server.address, writers, crashed_at)
    finally:
        await server.stop()
        shutil.rmtree(folder)


async def _counted(address: str, writers: list[Writer], crashed_at: float) -> Loss:
    redis = Redis.from_url(address, socket_timeout=30)
    lost, oldest = 0, crashed_at
    for writer in writers:
        gone = len(writer.acknowledged) - await writer.kept(redis)
        if gone > 0:
            lost += gone
            oldest = min(oldest, writer.acknowledged[-gone])
    await redis.aclose()
    return Loss(lost, sum(len(writer.acknowledged) for writer in writers), (crashed_at - oldest) * 1000)


async def _slow_library(folder: Path) -> Path | None:
    """Return a library whose fdatasync takes long; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source, library = folder / "slow.c", folder / "slow.so"
    source.write_text(_SLOW_FSYNC % int(SLOW_FSYNC_SECONDS * 1_000_000))
    process = await asyncio.create_subprocess_exec(compiler, "-shared", "-fPIC", "-o", library, source)
    return library if await process.wait() == 0 else None
