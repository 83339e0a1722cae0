"""One room as one process: `python -m infra.local.room_process NAME`, the same as `lastunit room NAME`.

The composition root of a room: it alone reads settings here, and hands the room what it needs. Exit statuses: 0 stopped
as asked, START_AGAIN and NEEDS_A_PERSON as in infra/base/exits.py, 128 + n when a second signal n ended it at once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
import threading
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import structlog
import uvloop

from consumers.errors import LogGapError, OwnerStoppedError
from infra.base.errors import InfraError, NotRunningError, SettingsError
from infra.base.exits import NEEDS_A_PERSON, START_AGAIN
from infra.base.logs import set_up_logging
from infra.base.settings import PREFIX, Settings, load_settings
from topology import admin
from topology.errors import ClusterMismatchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.payments.processor import PaymentProcessor
    from consumers.runtime.owner import OwnerOptions
    from producers.publisher import Publisher

log = structlog.get_logger(__name__)

RoomName: TypeAlias = Literal["inventory", "orders", "payments", "fulfilment", "notifications", "views", "receiver"]

STOP_SECONDS: Final = 20.0
"""How long the batch in hand and the payment calls in flight may take once a stop is asked for; then it ends anyway."""

_BY_SIGNAL: Final = 128


class Runnable(Protocol):
    """What every room is in the end: something that runs until it is asked to stop."""

    async def run(self) -> None:
        """Work until `stop`. Raises when the process must start afresh."""

    def stop(self) -> None:
        """Ask for a graceful end."""


async def run_room(name: RoomName, settings: Settings) -> int:
    """Run a room until SIGTERM or SIGINT; return the exit status. `settings` name all servers."""
    try:
        await _insist_on_topics(settings)
        async with AsyncExitStack() as resources:
            room = await ROOMS[name](settings, resources)
            _stop_on_signals(room)
            log.info("room_starts", pid=os.getpid())
            await room.run()
    except (LogGapError, ClusterMismatchError, SettingsError) as error:
        log.error("room_cannot_run", error=str(error))  # noqa: TRY400  the message says it all
        return NEEDS_A_PERSON
    except OwnerStoppedError as error:
        log.error("room_stopped_itself", error=str(error), cause=repr(error.__cause__))  # noqa: TRY400  same
        return START_AGAIN
    except Exception:
        log.exception("room_failed")
        return START_AGAIN
    log.info("room_ended")
    return 0


async def _insist_on_topics(settings: Settings) -> None:
    """Offsets of one cluster mean nothing in another, and a missing topic would look like an empty one."""
    found = await admin.diff(
        settings.kafka_bootstrap or "",
        namespace=settings.namespace,
        partitions=settings.partitions,
        expected_cluster_id=settings.cluster_id,
    )
    if found.missing:
        names = ", ".join(missing.topic for missing in found.missing)
        raise InfraError(f"Cluster {found.cluster_id} lacks {names}; run `lastunit topology apply` first.")


def _stop_on_signals(room: Runnable) -> None:
    received: list[int] = []

    def interrupt(number: int) -> None:
        received.append(number)
        if len(received) > 1:
            os._exit(_BY_SIGNAL + number)
        log.info("room_stops", signal=signal.Signals(number).name)
        # A thread, because what hangs may be the event loop.
        deadline = threading.Timer(STOP_SECONDS, _end_anyway)
        deadline.daemon = True
        deadline.start()
        room.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, interrupt, number)


def _end_anyway() -> None:
    log.error("room_did_not_stop", seconds=STOP_SECONDS)
    os._exit(START_AGAIN)


# --- the rooms: each imports only what it needs, since one process runs one room ----------------------------------------


async def _inventory(settings: Settings, resources: AsyncExitStack) -> Runnable:
    from consumers.inventory.room import InventoryRoom  # noqa: PLC0415
    from consumers.runtime.owner import PartitionOwner  # noqa: PLC0415
    from infra.ops.retention.run import maintained  # noqa: PLC0415

    publisher = await _publisher(settings, resources)
    await resources.enter_async_context(maintained(settings))
    return PartitionOwner(InventoryRoom(), _options(settings), publisher)


async def _orders(settings: Settings, resources: AsyncExitStack) -> Runnable:
    from consumers.orders.room import OrdersRoom  # noqa: PLC0415
    from consumers.runtime.owner import PartitionOwner  # noqa: PLC0415

    return PartitionOwner(OrdersRoom(), _options(settings), await _publisher(settings, resources))


async def _payments(settings: Settings, resources: AsyncExitStack) -> Runnable:
    from consumers.payments.room import PaymentsRoom  # noqa: PLC0415
    from consumers.runtime.owner import PartitionOwner  # noqa: PLC0415

    publisher = await _publisher(settings, resources)
    return PartitionOwner(PaymentsRoom(processor_of(settings), publisher), _options(settings), publisher)


async def _fulfilment(settings: Settings, resources: AsyncExitStack) -> Runnable:
    from consumers.fulfilment.room import FulfilmentRoom  # noqa: PLC0415
    from consumers.runtime.owner import PartitionOwner  # noqa: PLC0415

    return PartitionOwner(FulfilmentRoom(), _options(settings), await _publisher(settings, resources))


async def _notifications(settings: Settings, resources: AsyncExitStack) -> Runnable:
    from consumers.notifications.delivery import Deliverer  # noqa: PLC0415
    from consumers.notifications.room import NotificationsRoom  # noqa: PLC0415
    from consumers.runtime.database import Database  # noqa: PLC0415
    from consumers.runtime.owner import PartitionOwner  # noqa: PLC0415

    room = NotificationsRoom(Deliverer(Database(settings.postgres_dsn or "", "webhooks")))
    return PartitionOwner(room, _options(settings), await _publisher(settings, resources))


async def _receiver(settings: Settings, resources: AsyncExitStack) -> Runnable:
    from infra.edge.receiver import WebhookIntake, WebhookReceiver  # noqa: PLC0415

    named = {"simulated": settings.processor_webhook_secret, "stripe": settings.stripe_webhook_secret}
    secrets = {processor: secret for processor, secret in named.items() if secret}
    intake = WebhookIntake(await _publisher(settings, resources), secrets)
    return WebhookReceiver(intake, host=settings.receiver_host, port=settings.receiver_port)


async def _views(settings: Settings, resources: AsyncExitStack) -> Runnable:
    del resources
    from consumers.views.room import OrderViews, ViewsOptions  # noqa: PLC0415

    options = ViewsOptions(
        kafka_bootstrap=settings.kafka_bootstrap or "",
        redis_url=settings.redis_url or "",
        namespace=settings.namespace,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_ms=settings.heartbeat_interval_ms,
        watchdog_seconds=settings.watchdog_seconds,
    )
    return OrderViews(options)


ROOMS: Final[dict[RoomName, Callable[[Settings, AsyncExitStack], Awaitable[Runnable]]]] = {
    "inventory": _inventory,
    "orders": _orders,
    "payments": _payments,
    "fulfilment": _fulfilment,
    "notifications": _notifications,
    "views": _views,
    "receiver": _receiver,
}


def processor_of(settings: Settings) -> PaymentProcessor:
    """Return the processor that the settings choose, in a running event loop. Raises SettingsError where it lacks a key."""
    if settings.processor == "simulated":
        from consumers.payments.http_processor import HttpProcessor  # noqa: PLC0415

        return HttpProcessor(settings.processor_url or "")
    from consumers.payments.stripe_processor import StripeProcessor  # noqa: PLC0415

    if not settings.stripe_api_key:
        raise SettingsError(f"{PREFIX}PROCESSOR is stripe: set {PREFIX}STRIPE_API_KEY to its secret key, sk_...")
    address = settings.processor_url or ""
    return StripeProcessor(settings.stripe_api_key, return_url=settings.stripe_return_url, address=address)


def _options(settings: Settings) -> OwnerOptions:
    from consumers.runtime.owner import OwnerOptions  # noqa: PLC0415

    return OwnerOptions(
        kafka_bootstrap=settings.kafka_bootstrap or "",
        postgres_dsn=settings.postgres_dsn or "",
        namespace=settings.namespace,
        batch_records=settings.batch_records,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_ms=settings.heartbeat_interval_ms,
        watchdog_seconds=settings.watchdog_seconds,
    )


async def _publisher(settings: Settings, resources: AsyncExitStack) -> Publisher:
    from producers.publisher import Publisher  # noqa: PLC0415

    publisher = Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace)
    return await resources.enter_async_context(publisher)


_NEEDS: Final[dict[RoomName, tuple[str, ...]]] = {
    "inventory": ("kafka_bootstrap", "postgres_dsn"),
    "orders": ("kafka_bootstrap", "postgres_dsn"),
    "payments": ("kafka_bootstrap", "postgres_dsn", "processor_url"),
    "fulfilment": ("kafka_bootstrap", "postgres_dsn"),
    "notifications": ("kafka_bootstrap", "postgres_dsn"),
    "views": ("kafka_bootstrap", "redis_url"),
    "receiver": ("kafka_bootstrap",),
}
"""Settings without which a room cannot work."""

# --- the process ----------------------------------------------------------------------------------------------------------


def with_servers(name: RoomName, settings: Settings) -> Settings:
    """Return settings that name the servers which this room needs: those that were named, else those that run here.

    Raises NotRunningError when one is neither named nor here.
    """
    elsewhere = {"processor_url"} if settings.processor != "simulated" else set()
    missing = [server for server in _NEEDS[name] if not getattr(settings, server) and server not in elsewhere]
    if not missing:
        return settings
    found = _found_here(settings)
    if lacking := [PREFIX + server.upper() for server in missing if not found.get(server)]:
        raise NotRunningError(f"Nothing runs here. Start the system with `lastunit up`, or name {', '.join(lacking)}.")
    update = {server: found[server] for server in missing}
    if "kafka_bootstrap" in update and settings.cluster_id is None:
        update["cluster_id"] = found["cluster_id"]
    return settings.model_copy(update=update)


def _found_here(settings: Settings) -> dict[str, str | None]:
    from infra.base.endpoints import running_stack  # noqa: PLC0415
    from infra.local.sandbox_processor.address import address_in  # noqa: PLC0415

    stack = running_stack(settings)
    processor = address_in(settings.state_dir / "processor")
    return {**(asdict(stack) if stack else {}), "processor_url": processor.url if processor else None}


def run_room_process(name: RoomName) -> int:
    """Be the process of one room, with the settings of the environment; return its exit status."""
    try:
        settings = load_settings()
        set_up_logging(settings, room=name)
        settings = with_servers(name, settings)
    except InfraError as error:
        sys.stderr.write(f"{error}\n")
        return NEEDS_A_PERSON
    _collect_garbage_rarely()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run_room(name, settings))


def _collect_garbage_rarely() -> None:
    """Let the collector leave alone what lives as long as the process, and look at the rest less often.

    A batch makes thousands of objects without a cycle among them, and looking for some took time: 33 us of CPU per
    order with Python's own thresholds, 27 with these (medians of four noisy rounds, ARCHITECTURE.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.local.room_process", description="Run one room until SIGTERM"
    )
    parser.add_argument("room", choices=tuple(ROOMS))
    return run_room_process(parser.parse_args().room)


if __name__ == "__main__":
    sys.exit(main())
