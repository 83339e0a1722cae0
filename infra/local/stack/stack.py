"""The three servers together: started at the same time, watched while they run, stopped in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from infra.base import endpoints as addresses
from infra.base.endpoints import Endpoints
from infra.base.errors import ProcessFailedError, StateMismatchError
from infra.base.private_files import lasting_text
from infra.base.settings import Settings
from infra.base.state_lock import hold_state_dir
from infra.local.stack.kafka import Kafka, probe_kafka
from infra.local.stack.ports import lasting_ports
from infra.local.stack.postgres import Postgres, probe_postgres
from infra.local.stack.progress import Progress, SilentProgress
from infra.local.stack.server import EmbeddedServer, ExternalServer
from infra.local.stack.valkey import Valkey, probe_redis

_PORT_NAMES = ("kafka", "controller", "postgres", "valkey")


class Stack:
    """The running servers. Build one with `embedded_stack`.

    `failed` is set when a part dies that nobody ended; `failure` then says which and why.
    """

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.settings = settings
        self.failed = asyncio.Event()
        self.failure: ProcessFailedError | None = None
        self._progress = progress
        self._external_cluster_id = ""
        self._ports = lasting_ports(settings.state_dir / "ports.json", _PORT_NAMES)
        self._secret = lasting_text(settings.state_dir / "secret", lambda: secrets.token_urlsafe(24))
        self.kafka = self._kafka()
        self.postgres = self._postgres()
        self.valkey = self._valkey()

    @property
    def parts(self) -> tuple[EmbeddedServer, ...]:
        """All parts, in the order in which they are stopped: what others write to goes last."""
        return (self.kafka, self.valkey, self.postgres)

    @property
    def endpoints(self) -> Endpoints:
        """Where the servers answer."""
        return Endpoints(self.kafka.address, self.postgres.address, self.valkey.address, self.cluster_id)

    @property
    def cluster_id(self) -> str:
        """Id of the Kafka cluster in use."""
        return self.kafka.cluster_id if isinstance(self.kafka, Kafka) else self._external_cluster_id

    def environment(self) -> dict[str, str]:
        """LASTUNIT_ variables with which a child process gets our settings and finds these servers."""
        return {**self.settings.environment(), **self.endpoints.environment()}

    async def start(self) -> None:
        """Start all parts at once. Raises the first StackError; call `stop` all the same."""
        try:
            async with asyncio.TaskGroup() as group:
                for part in self.parts:
                    group.create_task(self._start(part), name=f"start {part.name}")
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        pids = {part.name: part.pid for part in self.parts if part.pid is not None}
        addresses.publish(self.settings.state_dir, self.endpoints, pids)

    async def stop(self) -> None:
        """Stop what we started, and only that."""
        addresses.withdraw(self.settings.state_dir)
        for part in self.parts:
            await part.stop()

    async def until_failure(self) -> None:
        """Wait until a part dies, then raise its ProcessFailedError."""
        await self.failed.wait()
        if self.failure is not None:
            raise self.failure

    async def _start(self, part: EmbeddedServer) -> None:
        since = time.monotonic()
        await part.start()
        place = "found" if isinstance(part, ExternalServer) else f"ready after {time.monotonic() - since:.1f} s"
        self._progress.report(f"{part.name}: {place}")

    def _died(self, failure: ProcessFailedError) -> None:
        self.failure = self.failure or failure
        self.failed.set()

    def _kafka(self) -> Kafka | ExternalServer:
        settings = self.settings
        if settings.kafka_bootstrap:
            return ExternalServer("Kafka", settings.kafka_bootstrap, "LASTUNIT_KAFKA_BOOTSTRAP", self._ask_kafka)
        ports = (self._ports["kafka"], self._ports["controller"])
        return Kafka(settings.state_dir / "kafka", ports, settings, self._progress, self._died)

    def _postgres(self) -> EmbeddedServer:
        settings = self.settings
        if dsn := settings.postgres_dsn:
            return ExternalServer("PostgreSQL", dsn, "LASTUNIT_POSTGRES_DSN", _asking(probe_postgres, dsn))
        folder = settings.state_dir / "postgres"
        return Postgres(folder, self._ports["postgres"], self._secret, settings.start_timeout_seconds, self._died)

    def _valkey(self) -> EmbeddedServer:
        settings = self.settings
        if url := settings.redis_url:
            return ExternalServer("Redis", url, "LASTUNIT_REDIS_URL", _asking(probe_redis, url))
        folder = settings.state_dir / "valkey"
        return Valkey(folder, self._ports["valkey"], self._secret, settings.start_timeout_seconds, self._died)

    async def _ask_kafka(self) -> None:
        bootstrap = self.settings.kafka_bootstrap or ""
        self._external_cluster_id = await probe_kafka(bootstrap)
        if self.settings.cluster_id not in {None, self._external_cluster_id}:
            raise StateMismatchError(
                f"Kafka at {bootstrap} is cluster {self._external_cluster_id}, but LASTUNIT_CLUSTER_ID says"
                f" {self.settings.cluster_id}: its offsets would not be those in the database. Correct one of the two."
            )


@contextlib.asynccontextmanager
async def embedded_stack(settings: Settings, progress: Progress | None = None) -> AsyncIterator[Stack]:
    """Run the stack of the settings' state directory for the length of the block.

    Parts whose address the settings name are used, not started. Enter from the main thread (see ChildProcess).
    Raises StackError: the directory is in use, a part does not start, an existing server does not answer.
    """
    with hold_state_dir(settings.state_dir):
        stack = Stack(settings, progress or SilentProgress())
        try:
            await stack.start()
            yield stack
        finally:
            await stack.stop()


def _asking(probe: Callable[[str], Awaitable[None]], address: str) -> Callable[[], Awaitable[None]]:
    return lambda: probe(address)
