"""What a benchmark ran on."""

from __future__ import annotations

import os
import platform
import re
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
from redis.asyncio import Redis

import infra.local.stack

if TYPE_CHECKING:
    from tests.benchmarks.harness.servers import Servers

FSYNC_SECONDS: Final = 1.0
_PACKAGES: Final = (
    "aiokafka",
    "asyncpg",
    "uvloop",
    "redis",
    "hiredis",
    "faust-streaming",
    "dbos",
    "psycopg",
    "restate-sdk",
)
_BLOCK: Final = b"\0" * 8192


async def setup_facts(servers: Servers) -> dict[str, Any]:
    """Return versions, cores, memory, load, and how often a second this disk can be made to keep a page."""
    async with Redis.from_url(servers.redis_url) as redis:
        valkey = await redis.info("server")
    options = await servers.postgres.fetch(
        "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'shared_buffers')"
    )
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_model(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "fdatasync_per_s": fsync_rate(servers.settings.state_dir),
        "python": platform.python_version(),
        "kafka": _kafka_version(),
        "postgresql": await servers.postgres.fetchval("SHOW server_version"),
        "postgresql_options": {row["name"]: row["setting"] for row in options},
        "valkey": valkey.get("valkey_version", valkey.get("redis_version")),
        **{name: installed for name in _PACKAGES if (installed := _version(name)) is not None},
    }


def fsync_rate(folder: Path) -> int:
    """Return how many 8 KiB writes a second this folder's disk makes durable, one after the other."""
    path = folder / "fsync-probe"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        count, began = 0, time.perf_counter()
        while (passed := time.perf_counter() - began) < FSYNC_SECONDS:
            os.pwrite(descriptor, _BLOCK, (count % 128) * len(_BLOCK))
            os.fdatasync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
        path.unlink()
    return round(count / passed)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        match = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1] if match else platform.machine()


def _kafka_version() -> str:
    lock = Path(infra.local.stack.__file__).with_name("kafka-jars.lock").read_text()
    match = re.search(r"kafka_2\.13:(?:jar:)?([\d.]+)", lock)
    return match[1] if match else "unknown"
