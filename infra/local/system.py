"""The whole system on one machine: servers, topics, tables, then the processes that do the work.

Decisions: docs/decisions, 041.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from infra.base.connections import database
from infra.base.migrate import migrate
from infra.base.partitions import recorded_partitions
from infra.base.rooms import API, CONSOLE, RECEIVER, SHOP
from infra.base.settings import Settings
from infra.local.stack import Progress, Stack, embedded_stack
from infra.local.stack.progress import heartbeat
from infra.local.supervisor import Supervisor
from topology import admin
from topology.topics import ORDER_EVENTS

FEW_PARTITIONS: Final = 4
"""Of each topic of a new system on one machine: each costs every room a part of its batches."""
LISTENING_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class System:
    """What runs: the servers and the processes. `settings` name all of it."""

    stack: Stack
    supervisor: Supervisor

    @property
    def settings(self) -> Settings:
        """Settings with every address filled in."""
        return self.supervisor.settings

    async def until_listening(self) -> list[str]:
        """Wait until each HTTP server that was started takes connections; return the names of those that do not in half a minute."""
        names = [name for name in (RECEIVER, API, CONSOLE, SHOP) if name in self.supervisor.started]
        settings = self.settings.model_dump(include={f"{name}_{part}" for name in names for part in ("host", "port")})
        waits = (_listens(settings[f"{name}_host"], settings[f"{name}_port"]) for name in names)
        return [name for name, listens in zip(names, await asyncio.gather(*waits), strict=True) if not listens]

    async def until_failure(self) -> None:
        """Wait until a server dies or a process cannot be kept up, then raise its error."""
        watches = [asyncio.create_task(part.until_failure()) for part in (self.stack, self.supervisor)]
        try:
            done, _ = await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
            await done.pop()
        finally:
            for watch in watches:
                watch.cancel()


@asynccontextmanager
async def running_system(
    settings: Settings,
    progress: Progress,
    *,
    processor_options: Sequence[str] = (),
    webhooks: bool = False,
    shop: bool = False,
    api: bool = False,
) -> AsyncIterator[System]:
    """Run everything for the length of the block, with what the settings name instead of starting it.

    Raises InfraError or TopologyError: something is in use, does not start, or is not what the settings name.
    """
    async with embedded_stack(settings, progress) as stack:
        async with heartbeat(progress, lambda: "  making tables and topics"):
            addressed = await _prepared(settings, stack.endpoints.applied_to(settings))
        async with Supervisor(
            addressed,
            report=progress.report,
            processor_options=processor_options,
            webhooks=webhooks,
            shop=shop,
            api=api,
            together=not settings.rooms_apart,
        ) as supervisor:
            async with heartbeat(
                progress, lambda: f"  starting; at work: {', '.join(supervisor.started) or 'none yet'}"
            ):
                await supervisor.start_all()
            progress.report(f"Started: {', '.join(supervisor.started)}")
            yield System(stack, supervisor)


async def _listens(host: str, port: int) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(LISTENING_SECONDS):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection(host, port)
                    writer.close()
                    return True
                await asyncio.sleep(POLL_SECONDS)
    return False


async def _prepared(settings: Settings, addressed: Settings) -> Settings:
    """Create what is missing: tables and topics. In a Kafka that is not ours only when its id was given too.

    Return the settings with the number of partitions that this system has: as recorded, else as given, else a few.
    """
    await migrate(addressed.postgres_dsn or "")
    async with database(addressed) as connection:
        in_use = await recorded_partitions(connection)
    is_given = "partitions" in settings.model_fields_set or settings.kafka_bootstrap
    partitions = in_use.get(ORDER_EVENTS.name, settings.partitions if is_given else FEW_PARTITIONS)
    await admin.apply(
        addressed.kafka_bootstrap or "",
        namespace=addressed.namespace,
        partitions=partitions,
        in_use=in_use,
        expected_cluster_id=settings.cluster_id if settings.kafka_bootstrap else addressed.cluster_id,
    )
    return addressed.model_copy(update={"partitions": partitions})
