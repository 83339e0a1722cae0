"""Where a demo runs: servers of its own, or a corner of its own on servers that the settings name; gone afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import redis.asyncio
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.base.errors import InfraError
from infra.base.settings import Settings
from infra.base.state_lock import holder_of
from topology.topics import TOPICS

_PREFIX: Final = "demo-"
_STARTING_SECONDS: Final = 60.0
"""A folder as young as this may belong to a demo that is about to lock it."""


class Place:
    """Settings of one demo. Set `keep` to leave the folder with logs and data behind, for a look at what went wrong."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keep = False


@asynccontextmanager
async def fresh_place(settings: Settings) -> AsyncIterator[Place]:
    """Make a place that shares nothing with a system that runs here, and remove it afterwards.

    Raises InfraError when a named PostgreSQL does not let us create a database.
    """
    name = f"{_PREFIX}{secrets.token_hex(4)}"
    with _folder(settings.state_dir) as folder:
        async with AsyncExitStack() as corners:
            update: dict[str, object] = {"state_dir": folder}
            if settings.kafka_bootstrap or settings.redis_url:
                update["namespace"] = f"{settings.namespace}{name}."
            place = Place(settings.model_copy(update=update))
            if settings.postgres_dsn:
                dsn = await corners.enter_async_context(_database(settings.postgres_dsn, name.replace("-", "_")))
                place.settings = place.settings.model_copy(update={"postgres_dsn": dsn})
            corners.push_async_callback(_forget, place.settings)
            yield place
        if not place.keep:
            _remove(folder)


@contextlib.contextmanager
def _folder(state_dir: Path) -> Iterator[Path]:
    """Make a folder, after removing those of demos that were killed."""
    state_dir.mkdir(parents=True, exist_ok=True)
    for leftover in state_dir.glob(f"{_PREFIX}*"):
        is_new = time.time() - leftover.stat().st_mtime < _STARTING_SECONDS
        if not is_new and holder_of(leftover) is None:
            shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=state_dir))
    try:
        yield folder
    except BaseException:
        _remove(folder)
        raise


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()  # when nothing else is in it


@asynccontextmanager
async def _database(dsn: str, name: str) -> AsyncIterator[str]:
    """Create a database on a server that is not ours, and drop it afterwards."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise InfraError(
            "The demo wants an empty database of its own, and LASTUNIT_POSTGRES_DSN names a user who may not create"
            " one. Grant CREATEDB, or unset it to use the embedded PostgreSQL."
        ) from error
    finally:
        await connection.close()
    try:
        yield urlsplit(dsn)._replace(path=f"/{name}").geturl()
    finally:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        finally:
            await connection.close()


async def _forget(settings: Settings) -> None:
    """Delete our topics and keys from servers that are not ours; the namespace is this demo's alone."""
    if settings.kafka_bootstrap:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            await _delete_topics(settings.kafka_bootstrap, settings.namespace)
    if settings.redis_url:
        with contextlib.suppress(redis.RedisError, OSError):
            await _delete_keys(settings.redis_url, settings.namespace)


async def _delete_topics(bootstrap: str, namespace: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        await admin.delete_topics([topic.in_namespace(namespace) for topic in TOPICS])
    finally:
        await asyncio.wait_for(admin.close(), 5)


async def _delete_keys(url: str, namespace: str) -> None:
    client = redis.asyncio.from_url(url)
    try:
        async for key in client.scan_iter(match=f"{namespace}*", count=1000):
            await client.unlink(key)
    finally:
        await client.aclose()
