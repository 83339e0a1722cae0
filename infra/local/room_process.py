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
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import structlog
import uvloop

from consumers.errors import LogGapError, OwnerStoppedError
from infra.base import processor
from infra.base.errors import InfraError, NotRunningError, SettingsError
from infra.base.exits import NEEDS_A_PERSON, START_AGAIN
from infra.base.logs import set_up_logging
from infra.base.rooms import RECEIVER, ROOMS, SHOP, SYSTEM, needs_of
from infra.base.settings import PREFIX, Settings, load_settings
from producers.publisher import Publisher
from topology import admin
from topology.errors import ClusterMismatchError

if TYPE_CHECKING:
    from consumers.payments.processor import PaymentProcessor
    from consumers.runtime.options import OwnerOptions

log = structlog.get_logger(__name__)

RUNNABLE: Final = (*SYSTEM, RECEIVER, SHOP)
"""The names of the processes."""
if TYPE_CHECKING:
    RoomName: TypeAlias = str
else:
    RoomName = Literal[RUNNABLE]  # the command line's choices

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
            room = await _runnable(name, settings, resources)
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


# --- what a process runs ------------------------------------------------------------------------------------------------


async def _runnable(name: RoomName, settings: Settings, resources: AsyncExitStack) -> Runnable:
    """Build what the process runs; `resources` close what was opened for it."""
    if name == "views":
        return _views(settings)
    if name == SHOP:
        return _shop(settings)
    publisher = await resources.enter_async_context(
        Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace)
    )
    if name == RECEIVER:
        return _receiver(settings, publisher)
    from consumers.runtime.owner import PartitionOwner  # noqa: PLC0415  a receiver or reader needs no owner

    entry = ROOMS[name]
    if entry.keeps_weeks:
        from infra.ops.retention.run import maintained  # noqa: PLC0415  one room's process needs it

        await resources.enter_async_context(maintained(settings))
    return PartitionOwner(entry.build(_Resources(settings, publisher)), _options(settings), publisher)


@dataclass(frozen=True, slots=True)
class _Resources:
    settings: Settings
    publisher: Publisher

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


def _receiver(settings: Settings, publisher: Publisher) -> Runnable:
    from infra.edge.receiver import WebhookIntake, WebhookReceiver  # noqa: PLC0415  one process needs it

    named = {"simulated": settings.processor_webhook_secret, "stripe": settings.stripe_webhook_secret}
    secrets = {sender: secret for sender, secret in named.items() if secret}
    intake = WebhookIntake(publisher, secrets)
    return WebhookReceiver(intake, host=settings.receiver_host, port=settings.receiver_port)


def _views(settings: Settings) -> Runnable:
    from consumers.views.room import OrderViews, ViewsOptions  # noqa: PLC0415  one process needs it

    options = ViewsOptions(
        kafka_bootstrap=settings.kafka_bootstrap or "",
        redis_url=settings.redis_url or "",
        namespace=settings.namespace,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_ms=settings.heartbeat_interval_ms,
        watchdog_seconds=settings.watchdog_seconds,
    )
    return OrderViews(options)


def _shop(settings: Settings) -> Runnable:
    from infra.edge.shop.process import ShopProcess  # noqa: PLC0415  one process needs it

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
    )


# --- the process ----------------------------------------------------------------------------------------------------------


def with_servers(name: RoomName, settings: Settings) -> Settings:
    """Return settings that name the servers which this room needs: those that were named, else those that run here.

    Raises NotRunningError when one is neither named nor here.
    """
    elsewhere = {"processor_url"} if settings.processor != "simulated" else set()
    missing = [server for server in needs_of(name) if not getattr(settings, server) and server not in elsewhere]
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
    parser.add_argument("room", choices=RUNNABLE)
    return run_room_process(parser.parse_args().room)


if __name__ == "__main__":
    sys.exit(main())
