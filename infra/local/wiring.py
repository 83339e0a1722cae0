"""What each process is built from: the composition root of rooms, readers and edges.

It alone hands settings to what runs, each its own. What is imported is what the process needs: a receiver or reader needs no owner.
"""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from consumers.errors import CannotShareReaderError
from infra.base import processor
from infra.base.private_files import lasting_text
from infra.base.rooms import API, CONSOLE, HOSTS, RECEIVER, ROOMS, SHOP, SYSTEM, TRENDS, needs_of
from infra.ops.process_metrics import CostCollector, RequestMetrics
from producers.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AsyncExitStack
    from pathlib import Path

    from consumers.payments.processor import PaymentProcessor
    from consumers.runtime.options import OwnerOptions
    from consumers.runtime.room import Room
    from infra.base.rooms import Server
    from infra.base.settings import Settings
    from infra.edge.receiver import WebhookIntake
    from infra.ops.process_metrics import ProcessMetrics
    from producers.outage import Readiness
    from topology.topics import Topic

RUNNABLE: Final = (*SYSTEM, *HOSTS, RECEIVER, SHOP, TRENDS, API, CONSOLE)
"""The names of the processes."""
if TYPE_CHECKING:
    RoomName: TypeAlias = str
else:
    RoomName = Literal[RUNNABLE]  # the command line's choices


class Runnable(Protocol):
    """What every room is in the end: something that runs until it is asked to stop."""

    async def run(self) -> None:
        """Work until `stop`. Raises when the process must start afresh."""

    def stop(self) -> None:
        """Ask for a graceful end."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What every process is built from; `in_use` has the partitions in use of topics with a fixed number."""

    settings: Settings
    in_use: Mapping[str, int]
    readiness: Readiness
    metrics: ProcessMetrics


def servers_of(rooms: Sequence[RoomName]) -> tuple[Server, ...]:
    """Return the settings that name the servers which these rooms need."""
    return tuple(dict.fromkeys(server for name in rooms for server in needs_of(name)))


async def built(rooms: Sequence[RoomName], wiring: Wiring, resources: AsyncExitStack) -> Runnable:
    """Build what the process runs; `resources` close what was opened for it."""
    settings, name = wiring.settings, rooms[0]
    if alone := [each for each in rooms if each not in ROOMS and each not in HOSTS and len(rooms) > 1]:
        raise CannotShareReaderError(alone[0], [each for each in rooms if each != alone[0]])
    servers: Mapping[str, Callable[[], Runnable]] = {
        "views": lambda: _views(wiring),
        SHOP: lambda: _shop(wiring),
        TRENDS: lambda: _trends(settings),
        API: lambda: _api(wiring, resources),
        CONSOLE: lambda: _console(wiring),
    }
    if name in servers:
        return servers[name]()
    if name == RECEIVER:
        # Who sends a webhook waits for the answer, so it is not held up for as long as Kafka is away.
        publisher = Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace, readiness=wiring.readiness)
        return _receiver(settings, await resources.enter_async_context(publisher), resources)
    publisher = await resources.enter_async_context(
        Publisher(
            settings.kafka_bootstrap or "",
            namespace=settings.namespace,
            in_use=wiring.in_use,
            give_up_seconds=math.inf,
            readiness=wiring.readiness,
        )
    )
    from consumers.runtime.owner import PartitionOwner  # noqa: PLC0415  a receiver or reader needs no owner
    from consumers.runtime.side_by_side import SideBySide  # noqa: PLC0415  same

    entries = [ROOMS[each] for name in rooms for each in HOSTS.get(name, (name,))]
    if any(entry.keeps_weeks for entry in entries):
        from infra.ops.retention.run import maintained  # noqa: PLC0415  one room's process needs it

        await resources.enter_async_context(maintained(settings))
    shared = _Resources(settings, publisher, wiring.readiness)
    owners = [
        PartitionOwner(of_one_log, _options(settings), publisher, wiring.readiness, wiring.metrics.meter_of(of_one_log))
        for of_one_log in _by_log([entry.build(shared) for entry in entries])
    ]
    wiring.metrics.registry.register(CostCollector([owner.costs for owner in owners]))
    return owners[0] if len(owners) == 1 else SideBySide(owners)


def _by_log(rooms: Sequence[Room[Any]]) -> list[list[Room[Any]]]:
    """Return the rooms by the log that they read: those of one share a reader, and each log has its own."""
    by_log: dict[Topic, list[Room[Any]]] = {}
    for room in rooms:
        by_log.setdefault(room.source, []).append(room)
    return list(by_log.values())


@dataclass(frozen=True, slots=True)
class _Resources:
    settings: Settings
    publisher: Publisher
    readiness: Readiness

    @property
    def processor(self) -> PaymentProcessor:
        return processor.processor_of(self.settings)


def _options(settings: Settings) -> OwnerOptions:
    from consumers.runtime.options import OwnerOptions  # noqa: PLC0415  see above

    return OwnerOptions(
        kafka_bootstrap=settings.kafka_bootstrap or "",
        postgres_dsn=settings.postgres_dsn or "",
        namespace=settings.namespace,
        batch_records=settings.batch_records,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_ms=settings.heartbeat_interval_ms,
        watchdog_seconds=settings.watchdog_seconds,
    )


def _receiver(settings: Settings, publisher: Publisher, resources: AsyncExitStack) -> Runnable:
    from infra.edge.receiver import WebhookReceiver  # noqa: PLC0415  one process needs it

    intake = _intake(settings, publisher, resources)
    return WebhookReceiver(intake, host=settings.receiver_host, port=settings.receiver_port)


def _intake(settings: Settings, publisher: Publisher, resources: AsyncExitStack) -> WebhookIntake:
    from infra.edge.receiver import WebhookIntake  # noqa: PLC0415  two processes need it

    named = {"simulated": settings.processor_webhook_secret, "stripe": settings.stripe_webhook_secret}
    secrets = {sender: secret for sender, secret in named.items() if secret}
    stripe: PaymentProcessor | None = None
    if settings.stripe_webhook_secret and settings.stripe_api_key:
        stripe = processor.processor_of(settings.model_copy(update={"processor": "stripe"}))
        resources.push_async_callback(stripe.close)
    return WebhookIntake(publisher, secrets, stripe)


def _console(wiring: Wiring) -> Runnable:
    from infra.edge.console.process import ConsoleProcess  # noqa: PLC0415  one process needs it

    return ConsoleProcess(wiring.settings, RequestMetrics(wiring.metrics.registry, CONSOLE))


def _views(wiring: Wiring) -> Runnable:
    from consumers.views.room import OrderViews, ViewsOptions  # noqa: PLC0415  one process needs it

    settings = wiring.settings
    options = ViewsOptions(
        kafka_bootstrap=settings.kafka_bootstrap or "",
        redis_url=settings.redis_url or "",
        postgres_dsn=settings.postgres_dsn,
        namespace=settings.namespace,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_ms=settings.heartbeat_interval_ms,
        watchdog_seconds=settings.watchdog_seconds,
    )
    return OrderViews(options, wiring.readiness)


def _shop(wiring: Wiring) -> Runnable:
    from infra.edge.shop.process import ShopProcess  # noqa: PLC0415  one process needs it

    settings = wiring.settings
    return ShopProcess(
        kafka_bootstrap=settings.kafka_bootstrap or "",
        redis_url=settings.redis_url or "",
        namespace=settings.namespace,
        currency=settings.shop_currency,
        host=settings.shop_host,
        port=settings.shop_port,
        replica_url=settings.redis_replica_url,
        caches=settings.shop_caches.split(),
        base_url=settings.shop_base_url,
        rules_path=settings.search_rules,
        charges_path=settings.shop_charges,
        postgres_dsn=settings.postgres_dsn or "",
        partitions=settings.partitions,
        secret=settings.shop_secret or _lasting_shop_secret(settings.state_dir / SHOP),
        hold_seconds=settings.hold_seconds,
        in_use=wiring.in_use,
        requests=RequestMetrics(wiring.metrics.registry, SHOP),
    )


def _lasting_shop_secret(folder: Path) -> str:
    """Return one secret for all lives of a shop that runs here alone: quotes and sessions outlive its process."""
    folder.mkdir(parents=True, exist_ok=True)
    return lasting_text(folder / "secret", lambda: secrets.token_urlsafe(32))


def _trends(settings: Settings) -> Runnable:
    from consumers.projections.trends import Trends  # noqa: PLC0415  one process needs it

    folder = settings.state_dir / TRENDS
    return Trends(settings.kafka_bootstrap or "", settings.redis_url or "", settings.namespace, folder)


def _api(wiring: Wiring, resources: AsyncExitStack) -> Runnable:
    from infra.edge.api.options import ApiOptions  # noqa: PLC0415  one process needs it
    from infra.edge.api.process import ApiProcess  # noqa: PLC0415  same

    settings = wiring.settings
    return ApiProcess(
        ApiOptions(
            kafka_bootstrap=settings.kafka_bootstrap or "",
            postgres_dsn=settings.postgres_dsn or "",
            redis_url=settings.redis_url or "",
            namespace=settings.namespace,
            host=settings.api_host,
            port=settings.api_port,
            tls_cert=settings.api_tls_cert,
            tls_key=settings.api_tls_key,
            proxies=tuple(settings.api_proxies.split()),
            cors_origins=tuple(settings.api_cors_origins.split()),
            hold_seconds=settings.hold_seconds,
            max_in_flight=settings.api_max_in_flight,
            jwt_issuer=settings.api_jwt_issuer,
            jwt_audience=settings.api_jwt_audience,
            jwt_keys=settings.api_jwt_keys,
            rate_limit=settings.api_rate_limit,
            rate_window_seconds=settings.api_rate_window_seconds,
            in_use=dict(wiring.in_use),
        ),
        wiring.readiness,
        lambda publisher: _intake(settings, publisher, resources),
        RequestMetrics(wiring.metrics.registry, API),
    )
