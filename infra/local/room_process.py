"""Rooms as one process: `python -m infra.local.room_process NAME [NAME ...]`, the same as `lastunit room NAME [NAME ...]`.

The composition root of rooms: it alone reads settings here, and hands the room what it needs. Exit statuses: 0 stopped
as asked, START_AGAIN and NEEDS_A_PERSON as in infra/base/exits.py, 128 + n when a second signal n ended it at once.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import os
import secrets
import signal
import sys
import threading
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias, TypeVar

import structlog
import uvloop

from consumers.errors import CannotShareReaderError, NeedsPersonError, OwnerStoppedError
from infra.base import processor
from infra.base.errors import InfraError, NotRunningError, SettingsError
from infra.base.exits import NEEDS_A_PERSON, START_AGAIN
from infra.base.logs import set_up_logging
from infra.base.prerequisites import until_possible
from infra.base.private_files import lasting_text
from infra.base.readiness import ReadinessFile
from infra.base.rooms import API, CONSOLE, HOSTS, RECEIVER, ROOMS, SHOP, SYSTEM, TRENDS, needs_of
from infra.base.settings import PREFIX, Settings, load_settings
from producers.publisher import Publisher
from topology.errors import ClusterMismatchError, CoPartitioningError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from consumers.payments.processor import PaymentProcessor
    from consumers.runtime.options import OwnerOptions
    from infra.base.rooms import Server
    from producers.outage import Readiness

log = structlog.get_logger(__name__)
T = TypeVar("T")

RUNNABLE: Final = (*SYSTEM, *HOSTS, RECEIVER, SHOP, TRENDS, API, CONSOLE)
"""The names of the processes."""
if TYPE_CHECKING:
    RoomName: TypeAlias = str
else:
    RoomName = Literal[RUNNABLE]  # the command line's choices

STOP_SECONDS: Final = 20.0
"""How long the batch in hand and the payment calls in flight may take once a stop is asked for; then it ends anyway."""

START: Final = "start"
"""The obstacle of a process until its rooms run: between two prerequisites nothing else may keep it from being ready."""
_BY_SIGNAL: Final = 128


class Runnable(Protocol):
    """What every room is in the end: something that runs until it is asked to stop."""

    async def run(self) -> None:
        """Work until `stop`. Raises when the process must start afresh."""

    def stop(self) -> None:
        """Ask for a graceful end."""


def process_name(rooms: Sequence[RoomName]) -> str:
    """Return the name of a process of these rooms: that of their host, if they are all of one."""
    hosts = [host for host, theirs in HOSTS.items() if set(theirs) == set(rooms)]
    return hosts[0] if hosts else "+".join(rooms)


async def run_room(rooms: Sequence[RoomName], settings: Settings) -> int:
    """Run rooms until SIGTERM or SIGINT; return the exit status. `settings` name all servers.

    Several rooms share one reader; a host stands for its rooms.
    """
    shown = ReadinessFile(settings, process_name(rooms))
    shown.readiness.blocked(START, "the process has not begun its work yet")
    keeping = asyncio.create_task(shown.keep(), name="readiness file")
    stopping = _Stopping()
    try:
        in_use = await stopping.unless_asked(until_possible(settings, _needs_of(rooms), shown.readiness))
        if in_use is None:
            return 0
        async with AsyncExitStack() as resources:
            room = await _runnable(rooms, _Wiring(settings, in_use, shown.readiness), resources)
            stopping.room = room
            shown.readiness.cleared(START)
            log.info("room_starts", pid=os.getpid())
            await room.run()
    except (NeedsPersonError, ClusterMismatchError, CoPartitioningError, SettingsError) as error:
        log.error("room_cannot_run", error=str(error))  # noqa: TRY400  the message is complete
        return NEEDS_A_PERSON
    except OwnerStoppedError as error:
        log.error("room_stopped_itself", error=str(error), cause=repr(error.__cause__))  # noqa: TRY400  same
        return START_AGAIN
    except Exception:
        log.exception("room_failed")
        return START_AGAIN
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
    log.info("room_ended")
    return 0


class _Stopping:
    """Stops the process at the first SIGTERM or SIGINT, and ends it at the second."""

    def __init__(self) -> None:
        self.room: Runnable | None = None
        self._asked = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._interrupt, number)

    async def unless_asked(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return what `work` does, or None where the process was asked to stop meanwhile."""
        task, asked = asyncio.create_task(work), asyncio.create_task(self._asked.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait({task})
        return None

    def _interrupt(self, number: int) -> None:
        if self._asked.is_set():
            os._exit(_BY_SIGNAL + number)
        self._asked.set()
        log.info("room_stops", signal=signal.Signals(number).name)
        # A thread, because what hangs may be the event loop.
        deadline = threading.Timer(STOP_SECONDS, _end_anyway)
        deadline.daemon = True
        deadline.start()
        if self.room is not None:
            self.room.stop()


def _end_anyway() -> None:
    log.error("room_did_not_stop", seconds=STOP_SECONDS)
    os._exit(START_AGAIN)


# --- what a process runs ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wiring:
    """What every process is built from; `in_use` has the partitions in use of topics with a fixed number."""

    settings: Settings
    in_use: Mapping[str, int]
    readiness: Readiness


def _needs_of(rooms: Sequence[RoomName]) -> tuple[Server, ...]:
    return tuple(dict.fromkeys(server for name in rooms for server in needs_of(name)))


async def _runnable(rooms: Sequence[RoomName], wiring: _Wiring, resources: AsyncExitStack) -> Runnable:
    """Build what the process runs; `resources` close what was opened for it."""
    settings, name = wiring.settings, rooms[0]
    if alone := [each for each in rooms if each not in ROOMS and each not in HOSTS and len(rooms) > 1]:
        raise CannotShareReaderError(alone[0], [each for each in rooms if each != alone[0]])
    servers: Mapping[str, Callable[[], Runnable]] = {
        "views": lambda: _views(wiring),
        SHOP: lambda: _shop(wiring),
        TRENDS: lambda: _trends(settings),
        API: lambda: _api(wiring),
        CONSOLE: lambda: _console(settings),
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

    entries = [ROOMS[each] for name in rooms for each in HOSTS.get(name, (name,))]
    if any(entry.keeps_weeks for entry in entries):
        from infra.ops.retention.run import maintained  # noqa: PLC0415  one room's process needs it

        await resources.enter_async_context(maintained(settings))
    shared = _Resources(settings, publisher, wiring.readiness)
    built = [entry.build(shared) for entry in entries]
    return PartitionOwner(built, _options(settings), publisher, wiring.readiness)


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
    from infra.edge.receiver import WebhookIntake, WebhookReceiver  # noqa: PLC0415  one process needs it

    named = {"simulated": settings.processor_webhook_secret, "stripe": settings.stripe_webhook_secret}
    secrets = {sender: secret for sender, secret in named.items() if secret}
    stripe: PaymentProcessor | None = None
    if settings.stripe_webhook_secret and settings.stripe_api_key:
        stripe = processor.processor_of(settings.model_copy(update={"processor": "stripe"}))
        resources.push_async_callback(stripe.close)
    intake = WebhookIntake(publisher, secrets, stripe)
    return WebhookReceiver(intake, host=settings.receiver_host, port=settings.receiver_port)


def _console(settings: Settings) -> Runnable:
    from infra.edge.console.process import ConsoleProcess  # noqa: PLC0415  one process needs it

    return ConsoleProcess(settings)


def _views(wiring: _Wiring) -> Runnable:
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


def _shop(wiring: _Wiring) -> Runnable:
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
        partitions=settings.partitions,
        secret=settings.shop_secret or _lasting_shop_secret(settings.state_dir / SHOP),
        hold_seconds=settings.hold_seconds,
        in_use=wiring.in_use,
    )


def _lasting_shop_secret(folder: Path) -> str:
    """Return one secret for all lives of a shop that runs here alone: quotes and sessions outlive its process."""
    folder.mkdir(parents=True, exist_ok=True)
    return lasting_text(folder / "secret", lambda: secrets.token_urlsafe(32))


def _trends(settings: Settings) -> Runnable:
    from consumers.projections.trends import Trends  # noqa: PLC0415  one process needs it

    folder = settings.state_dir / TRENDS
    return Trends(settings.kafka_bootstrap or "", settings.redis_url or "", settings.namespace, folder)


def _api(wiring: _Wiring) -> Runnable:
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
    )


# --- the process ----------------------------------------------------------------------------------------------------------


def with_servers(rooms: Sequence[RoomName], settings: Settings) -> Settings:
    """Return settings that name the servers which these rooms need: those that were named, else those that run here.

    Raises NotRunningError when one is neither named nor here.
    """
    elsewhere = {"processor_url"} if settings.processor != "simulated" else set()
    missing = [server for server in _needs_of(rooms) if not getattr(settings, server) and server not in elsewhere]
    if not missing:
        return settings
    found = _found_here(settings)
    if lacking := [PREFIX + server.upper() for server in missing if not found.get(server)]:
        raise NotRunningError(f"Nothing runs here. Start the system with `lastunit up`, or name {', '.join(lacking)}.")
    update: dict[str, str | None] = {server: found[server] for server in missing}
    if "kafka_bootstrap" in update and settings.cluster_id is None:
        update["cluster_id"] = found["cluster_id"]
    return settings.model_copy(update=update)


def _found_here(settings: Settings) -> dict[str, str | None]:
    from infra.base.endpoints import running_stack  # noqa: PLC0415
    from infra.local.sandbox_processor.address import address_in  # noqa: PLC0415

    stack = running_stack(settings)
    here = address_in(settings.state_dir / "processor")
    return {**(asdict(stack) if stack else {}), "processor_url": here.url if here else None}


def run_room_process(rooms: Sequence[RoomName]) -> int:
    """Be the process of rooms that share a reader, or of one alone, with the settings of the environment; return its exit status."""
    try:
        settings = load_settings()
        set_up_logging(settings, room=process_name(rooms))
        settings = with_servers(rooms, settings)
    except InfraError as error:
        sys.stderr.write(f"{error}\n")
        return NEEDS_A_PERSON
    _collect_garbage_rarely()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run_room(rooms, settings))


def _collect_garbage_rarely() -> None:
    """Let the collector leave alone what lives as long as the process, and look at the rest less often.

    A batch makes thousands of objects without a cycle among them, and looking for some took time: 33 us of CPU per
    order with Python's own thresholds, 27 with these (medians of four noisy rounds, docs/internals/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.room_process", description="Run rooms until SIGTERM")
    parser.add_argument("rooms", choices=RUNNABLE, nargs="+")
    return run_room_process(parser.parse_args().rooms)


if __name__ == "__main__":
    sys.exit(main())
