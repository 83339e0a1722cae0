"""The API as one process: any number of them may stand behind a balancer; each may die at any moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from infra.edge.access.authentication import Authentication
from infra.edge.access.key_set import KeySet
from infra.edge.access.known_keys import KnownKeys
from infra.edge.access.limits import RateLimits
from infra.edge.access.tokens import Tokens
from infra.edge.api.application import api_application
from infra.edge.api.cors import Cors
from infra.edge.api.keys import IdempotencyKeys
from infra.edge.api.levels import StockLevels
from infra.edge.api.listing import OrderFinder
from infra.edge.api.options import ApiOptions, require_safe
from infra.edge.api.service import Service
from infra.edge.api.tail import OrderTail
from infra.edge.measured import Measured
from infra.edge.receiver import WebhookRoutes
from infra.edge.server import HttpServer
from producers.outage import Readiness
from producers.publisher import Publisher
from producers.tracing import IS_ON

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.edge.receiver import WebhookIntake
    from infra.ops.process_metrics import RequestMetrics

log = structlog.get_logger()

GIVE_UP_SECONDS: Final = 5.0
"""How long a command is sent to Kafka before its sender is asked to come again; the key keeps it the same command."""
REDIS_SECONDS: Final = 1.0


class ApiProcess:
    """Serves the API until asked to stop. Raises SettingsError for an address at which strangers would be let in.

    `intake` makes what processors' webhooks are taken by, from the publisher; without it none are. `requests` counts answers.
    """

    def __init__(
        self,
        options: ApiOptions,
        readiness: Readiness | None = None,
        intake: Callable[[Publisher], WebhookIntake] | None = None,
        requests: RequestMetrics | None = None,
    ) -> None:
        self._options = options
        self.readiness = readiness if readiness is not None else Readiness()
        self.publisher = Publisher(
            options.kafka_bootstrap,
            namespace=options.namespace,
            in_use=options.in_use,
            give_up_seconds=GIVE_UP_SECONDS,
            readiness=self.readiness,
        )
        self.keys = IdempotencyKeys(options.postgres_dsn)
        self.known_keys = KnownKeys(options.postgres_dsn, self.readiness)
        self._authentication = Authentication(
            self.known_keys, _tokens(options), is_for_this_machine=options.is_for_this_machine
        )
        self._find_orders = OrderFinder(options.postgres_dsn)
        self.tail = OrderTail(options.kafka_bootstrap, options.namespace)
        self._levels = StockLevels(options.kafka_bootstrap, options.namespace, self.readiness)
        self._redis = Redis.from_url(
            options.redis_url,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._limits = RateLimits(
            self._redis, options.namespace, quota=options.rate_limit, window_seconds=options.rate_window_seconds
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
            self._authentication,
            self._limits,
            bootstrap=options.kafka_bootstrap,
            namespace=options.namespace,
            max_in_flight=options.max_in_flight,
            origins=options.cors_origins,
        )
        served: Any = Cors(self.app, options.cors_origins) if options.cors_origins else self.app
        if intake is not None:
            served = WebhookRoutes(intake(self.publisher), served)
        if IS_ON:
            from infra.edge.traced import Traced  # noqa: PLC0415  OpenTelemetry's packages need not be there

            served = Traced(served)
        self._server = HttpServer(
            served if requests is None else Measured(served, requests),
            host=options.host,
            port=options.port,
            certificate=options.tls_cert,
            key=options.tls_key,
            proxies=options.proxies,
        )
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
        """Serve until `stop`. Raises SettingsError where strangers would be let in."""
        try:
            if not await self._is_opened():
                return
            async with self.publisher, asyncio.TaskGroup() as tasks:
                background = [tasks.create_task(self._levels.run()), tasks.create_task(self.keys.clean_up())]
                background.append(tasks.create_task(self._authentication.run()))
                serving = tasks.create_task(self._server.run())
                await self._stopping.wait()
                await self.tail.close()
                self._server.stop()
                await serving
                for task in background:
                    task.cancel()
        finally:
            await self.keys.close()
            await self._authentication.close()
            await self._find_orders.close()
            await self._limits.close()
            await self._redis.aclose()

    async def _is_opened(self) -> bool:
        """Return whether it is known who may call; not where the process is to stop before that. Raises SettingsError."""
        opening, stopping = (
            asyncio.create_task(self._authentication.start()),
            asyncio.create_task(self._stopping.wait()),
        )
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not opening.done():
            opening.cancel()
            return False
        opening.result()
        require_safe(self._options, has_callers=self._authentication.has_callers)
        return True


def _tokens(options: ApiOptions) -> Tokens | None:
    if not options.jwt_keys:
        return None
    return Tokens(KeySet(options.jwt_keys), issuer=options.jwt_issuer, audience=options.jwt_audience)
