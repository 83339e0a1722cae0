"""How a command reaches the servers that it needs: the named ones, else those of the stack that runs here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Literal

import asyncpg
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra.base.endpoints import running_stack
from infra.base.errors import InfraError, NotRunningError, ServerUnreachableError
from infra.base.settings import PREFIX, Settings, redacted
from producers.publisher import Publisher

Server = Literal["kafka_bootstrap", "postgres_dsn", "redis_url"]

GIVE_UP_SECONDS: Final = 15.0
"""People wait at a terminal; sending again is harmless."""
CONNECT_SECONDS: Final = 5.0

_NAMES: Final[dict[Server, str]] = {"kafka_bootstrap": "Kafka", "postgres_dsn": "PostgreSQL", "redis_url": "Redis"}


def address_of(server: Server, settings: Settings) -> str:
    """Return a server's address. Raises NotRunningError when none is named and nothing runs here."""
    named: str | None = getattr(settings, server)
    if named:
        return named
    if (stack := running_stack(settings)) is not None:
        return str(getattr(stack, server))
    raise NotRunningError(
        f"No {_NAMES[server]} runs here. Start the system with `make up`, or name one: {PREFIX}{server.upper()}."
    )


@asynccontextmanager
async def kafka_publisher(settings: Settings) -> AsyncIterator[Publisher]:
    """Connect a publisher for the length of the block. Raises ServerUnreachableError, NotRunningError."""
    bootstrap = address_of("kafka_bootstrap", settings)
    publisher = Publisher(bootstrap, namespace=settings.namespace, give_up_seconds=GIVE_UP_SECONDS)
    async with AsyncExitStack() as open_ones:
        try:
            await open_ones.enter_async_context(publisher)
        except (KafkaError, OSError) as error:
            raise _unreachable("kafka_bootstrap", bootstrap, error) from error
        yield publisher


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """Connect to PostgreSQL for the length of the block. Raises ServerUnreachableError, NotRunningError, InfraError."""
    dsn = address_of("postgres_dsn", settings)
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise _unreachable("postgres_dsn", dsn, error) from error
    try:
        yield connection
    except asyncpg.UndefinedTableError as error:
        raise InfraError(
            f"The database {redacted(dsn)} lacks tables of this release ({error}). `make up` brings it up to date."
        ) from error
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError) as error:
        raise _unreachable("postgres_dsn", dsn, error) from error
    finally:
        await connection.close()


@asynccontextmanager
async def redis_client(settings: Settings) -> AsyncIterator[Redis]:
    """Connect to Redis for the length of the block. Raises ServerUnreachableError, NotRunningError."""
    url = address_of("redis_url", settings)
    try:
        client = Redis.from_url(url, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS)
    except ValueError as error:
        raise _unreachable("redis_url", url, error) from error
    try:
        async with client as redis:
            yield redis
    except RedisError as error:
        raise _unreachable("redis_url", url, error) from error


def _unreachable(server: Server, address: str, error: Exception) -> ServerUnreachableError:
    reason = redacted(str(error)) or type(error).__name__
    return ServerUnreachableError(
        f"{_NAMES[server]} at {redacted(address)} does not answer ({reason}). Start it, or correct {PREFIX}{server.upper()}."
    )
