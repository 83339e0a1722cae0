"""The API as one process: any number of them may stand behind a balancer; each may die at any moment."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from infra.base.errors import SettingsError
from infra.edge.api.application import api_application
from infra.edge.api.guard import LOOPBACK
from infra.edge.api.keys import IdempotencyKeys
from infra.edge.api.levels import StockLevels
from infra.edge.api.listing import OrderFinder
from infra.edge.api.service import Service
from infra.edge.api.tail import OrderTail
from infra.edge.server import HttpServer
from producers.outage import Readiness
from producers.publisher import Publisher

log = structlog.get_logger()

GIVE_UP_SECONDS: Final = 5.0
"""How long a command is sent to Kafka before its sender is asked to come again; the key keeps it the same command."""
REDIS_SECONDS: Final = 1.0


class ApiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the API needs to know about where it runs. `in_use` has the partitions in use of topics with a fixed number."""

    kafka_bootstrap: str
    postgres_dsn: str
    redis_url: str
    namespace: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    hold_seconds: int = 900
    max_in_flight: int = 1_000
    in_use: dict[str, int] = {}


class ApiProcess:
    """Serves the API until asked to stop. Raises SettingsError for an address that strangers reach."""

    def __init__(self, options: ApiOptions, readiness: Readiness | None = None) -> None:
        if options.host not in LOOPBACK:
            raise SettingsError(
                f"The API is to listen on {options.host}, where anybody may send commands. Set LASTUNIT_API_HOST to 127.0.0.1."
            )
        self.readiness = readiness if readiness is not None else Readiness()
        self.publisher = Publisher(
            options.kafka_bootstrap,
            namespace=options.namespace,
            in_use=options.in_use,
            give_up_seconds=GIVE_UP_SECONDS,
            readiness=self.readiness,
        )
        self.keys = IdempotencyKeys(options.postgres_dsn)
        self._find_orders = OrderFinder(options.postgres_dsn)
        self.tail = OrderTail(options.kafka_bootstrap, options.namespace)
        self._levels = StockLevels(options.kafka_bootstrap, options.namespace, self.readiness)
        self._redis = Redis.from_url(
            options.redis_url,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        service = Service(
            self.publisher,
            self.keys,
            self.tail,
            self._levels,
            self._redis,
            bootstrap=options.kafka_bootstrap,
            namespace=options.namespace,
            in_use=options.in_use,
            hold_seconds=options.hold_seconds,
            readiness=self.readiness,
        )
        self.app = api_application(
            service,
            self._find_orders,
            bootstrap=options.kafka_bootstrap,
            namespace=options.namespace,
            max_in_flight=options.max_in_flight,
            loopback_only=True,
        )
        self._server = HttpServer(self.app, host=options.host, port=options.port)
        self._stopping = asyncio.Event()
        self.listening = self._server.listening

    @property
    def address(self) -> str:
        """Where the API listens, once it does."""
        return self._server.address

    def stop(self) -> None:
        """Ask for a graceful end: answers under way are finished, streams end."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until `stop`."""
        try:
            async with self.publisher, asyncio.TaskGroup() as tasks:
                background = [tasks.create_task(self._levels.run()), tasks.create_task(self.keys.clean_up())]
                serving = tasks.create_task(self._server.run())
                await self._stopping.wait()
                await self.tail.close()
                self._server.stop()
                await serving
                for task in background:
                    task.cancel()
        finally:
            await self.keys.close()
            await self._find_orders.close()
            await self._redis.aclose()
