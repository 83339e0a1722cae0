"""One embedded stack for all tests of a process; for each test a namespace and a database of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient

from infra.base.endpoints import Endpoints
from infra.base.settings import Settings, load_settings
from infra.local.stack import Stack, embedded_stack, progress_for
from tests.harness.tables import give_database, take_back

_IN_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of its own in it, with a name that is drawn
_FREE_BYTES = 4 << 30
"""What is free there where it is used: the servers of a process write a few hundred megabytes."""

_endings: list[asyncio.Task[Any]] = []
"""Databases and topics of tests that are over: to put them away takes seconds, for which the next test does not wait."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack() -> AsyncIterator[Stack]:
    """Kafka, PostgreSQL and Valkey, running for the whole session with data that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="lastunit-tests-", dir=_in_memory()) as folder:
        settings = load_settings(state_dir=Path(folder), kafka_heap_mb=512)
        async with embedded_stack(settings, progress_for()) as running:
            yield running
            await asyncio.gather(*_endings, return_exceptions=True)  # what is left goes away with the folder


def _in_memory() -> Path | None:
    """Return the folder that is in memory, if this machine has one with room: files cost the kernel a fifth less there."""
    has_room = _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free >= _FREE_BYTES
    return _IN_MEMORY if has_room else None


@asynccontextmanager
async def fresh_settings(stack: Stack) -> AsyncIterator[Settings]:
    """Settings that point at the stack, with a fresh namespace and an empty database. No topics, no tables."""
    assert stack.failure is None, stack.failure
    name = f"t{secrets.token_hex(5)}"
    dsn = f"{stack.endpoints.postgres_dsn.rpartition('/')[0]}/{name}"
    await give_database(dsn)
    update = {"namespace": f"{name}.", "postgres_dsn": dsn}
    yield stack.endpoints.applied_to(stack.settings).model_copy(update=update)
    _endings.append(asyncio.create_task(take_back(dsn)))
    _endings.append(asyncio.create_task(_delete_topics(stack.endpoints.kafka_bootstrap, f"{name}.")))


@pytest_asyncio.fixture
async def settings(stack: Stack) -> AsyncIterator[Settings]:
    """A test's own, see fresh_settings."""
    async with fresh_settings(stack) as fresh:
        yield fresh


async def _delete_topics(bootstrap: str, namespace: str) -> None:
    """Delete a test's topics: whoever connects is told all topics, and those of a hundred tests take longer than a test."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await client.start()
        if topics := [topic for topic in await client.list_topics() if topic.startswith(namespace)]:
            await client.delete_topics(topics)
    finally:
        await client.close()


@pytest.fixture
def endpoints(settings: Settings) -> Endpoints:
    """The addresses in `settings`, none of them None."""
    addresses = (settings.kafka_bootstrap, settings.postgres_dsn, settings.redis_url, settings.cluster_id)
    return Endpoints(*(address or "" for address in addresses))


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The whole environment for a child process that is to use `settings`."""
    return {**os.environ, **settings.environment()}
