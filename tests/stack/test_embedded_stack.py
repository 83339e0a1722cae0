from __future__ import annotations

import asyncio
import contextlib
import functools
import http.server
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.base.endpoints import Endpoints, running_stack
from infra.base.errors import (
    JarsUnavailableError,
    NotOursError,
    ProcessFailedError,
    ServerUnreachableError,
    StateDirInUseError,
    StateMismatchError,
)
from infra.base.settings import Settings, load_settings
from infra.local.stack import SilentProgress, Stack, embedded_stack, stop_running_stack
from infra.local.stack.jardownload import ensure_jars
from infra.local.stack.jars import jar_directory
from infra.local.stack.postgres import probe_postgres

ROOT = Path(__file__).parents[2]


@contextlib.asynccontextmanager
async def holder(state_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that holds a stack, once it says that the stack is up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.local.stack",
        cwd=ROOT, env={**os.environ, "LASTUNIT_STATE_DIR": str(state_dir)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line.startswith(b"Endpoints("), line
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def only_valkey(stack: Stack, state_dir: Path) -> Settings:
    """Settings of a second, small stack that uses the first one's Kafka and PostgreSQL."""
    return load_settings(
        state_dir=state_dir,
        kafka_bootstrap=stack.endpoints.kafka_bootstrap,
        postgres_dsn=stack.endpoints.postgres_dsn,
    )


async def gone(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Wait for the end of all; returns those that still run after 10 s (a zombie has ended)."""
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, 10)
    return [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


async def write_everywhere(endpoints: Endpoints) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=endpoints.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=endpoints.kafka_bootstrap, acks="all") as producer:
        await producer.send_and_wait("kept", b"kept")
    connection = await asyncpg.connect(endpoints.postgres_dsn)
    await connection.execute("CREATE TABLE kept AS SELECT 'kept' AS word")
    await connection.close()
    async with redis.asyncio.from_url(endpoints.redis_url) as client:
        await client.set("kept", "kept")


async def read_everywhere(endpoints: Endpoints) -> tuple[str, str, str]:
    consumer = AIOKafkaConsumer(bootstrap_servers=endpoints.kafka_bootstrap, auto_offset_reset="earliest")
    async with consumer:
        consumer.assign([TopicPartition("kept", 0)])
        record = await asyncio.wait_for(consumer.getone(), 10)
    connection = await asyncpg.connect(endpoints.postgres_dsn)
    word = await connection.fetchval("SELECT word FROM kept")
    await connection.close()
    async with redis.asyncio.from_url(endpoints.redis_url, decode_responses=True) as client:
        return record.value.decode(), word, str(await client.get("kept"))


async def test_a_second_start_in_the_same_directory_is_refused_with_what_to_do(stack: Stack) -> None:
    with pytest.raises(StateDirInUseError) as caught:
        async with embedded_stack(stack.settings):
            pass
    message = str(caught.value)
    assert f"process {os.getpid()}" in message
    assert "make down" in message
    assert "LASTUNIT_STATE_DIR" in message


async def test_another_process_finds_the_running_stack(stack: Stack) -> None:
    assert running_stack(stack.settings) == stack.endpoints


async def test_a_state_file_without_a_holder_counts_for_nothing(stack: Stack, tmp_path: Path) -> None:
    for name in ("stack.json", "stack.lock"):
        (tmp_path / name).write_bytes((stack.settings.state_dir / name).read_bytes())
    assert running_stack(load_settings(state_dir=tmp_path)) is None


@pytest.mark.release
async def test_what_was_written_is_there_after_a_stop_a_start_and_a_kill(tmp_path: Path) -> None:
    settings = load_settings(state_dir=tmp_path / "state", kafka_heap_mb=256)
    async with embedded_stack(settings) as first:
        before = first.endpoints
        await write_everywhere(before)
    async with embedded_stack(settings) as second:
        assert second.endpoints == before
        assert await read_everywhere(second.endpoints) == ("kept", "kept", "kept")
        for part in second.parts:
            await part.kill()
        await asyncio.gather(*(part.start() for part in second.parts))
        assert await read_everywhere(before) == ("kept", "kept", "kept")
        assert not second.failed.is_set()  # what we end ourselves is no failure


@pytest.mark.release
async def test_nothing_outlives_a_holder_that_is_killed(tmp_path: Path) -> None:
    async with holder(tmp_path) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        assert {"java", "postgres", "valkey-server"} <= {child.name() for child in children}
        process.kill()
        assert await gone(children) == []
    assert running_stack(load_settings(state_dir=tmp_path)) is None


async def test_ctrl_c_stops_everything_and_reports_it(tmp_path: Path) -> None:
    async with holder(tmp_path) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 130
        assert "Stopping" in errors.decode()
        assert "Traceback" not in errors.decode()
        assert await gone(children) == []
    assert "database system is shut down" in (tmp_path / "logs" / "postgres.log").read_text()
    assert not (tmp_path / "stack.json").exists()


async def test_the_parts_that_the_settings_name_are_used_and_never_touched(stack: Stack, tmp_path: Path) -> None:
    async with embedded_stack(only_valkey(stack, tmp_path)) as other:
        assert other.endpoints.kafka_bootstrap == stack.endpoints.kafka_bootstrap
        assert other.cluster_id == stack.cluster_id
        assert (other.kafka.pid, other.postgres.pid) == (None, None)
        assert other.environment()["LASTUNIT_REDIS_URL"] == other.endpoints.redis_url != stack.endpoints.redis_url
        with pytest.raises(NotOursError):
            await other.kafka.kill()
    await probe_postgres(stack.endpoints.postgres_dsn)


async def test_another_process_s_stack_can_be_stopped(stack: Stack, tmp_path: Path) -> None:
    settings = only_valkey(stack, tmp_path)
    assert stop_running_stack(settings) is None
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.local.stack",
        cwd=ROOT, env={**os.environ, **settings.environment()}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), 30)
    assert await asyncio.to_thread(stop_running_stack, settings) == process.pid
    # It is our own child here: where the one who stopped it has waited for it first, asyncio can only say 255.
    assert await process.wait() in {143, 255}


async def test_a_part_that_crashes_is_reported_with_the_end_of_its_log(stack: Stack, tmp_path: Path) -> None:
    async with embedded_stack(only_valkey(stack, tmp_path)) as other:
        pid = other.valkey.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ProcessFailedError) as caught:
            await asyncio.wait_for(other.until_failure(), 10)
    assert f"Valkey (process {pid}) died unexpectedly, exit code -9" in str(caught.value)
    assert "Ready to accept connections" in str(caught.value)


async def test_a_part_that_cannot_start_is_reported_with_the_end_of_its_log(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir()
    (tmp_path / "valkey" / "appendonlydir").write_text("not a directory")
    with pytest.raises(ProcessFailedError, match="ended while starting, exit code 1") as caught:
        async with embedded_stack(only_valkey(stack, tmp_path)):
            pass
    assert "appendonlydir" in str(caught.value)


async def test_a_paused_part_answers_again_when_it_is_resumed(stack: Stack, tmp_path: Path) -> None:
    async with (
        embedded_stack(only_valkey(stack, tmp_path)) as other,
        redis.asyncio.from_url(other.endpoints.redis_url, socket_timeout=20) as client,
    ):
        await client.set("key", "value")
        other.valkey.pause()
        answer = asyncio.ensure_future(client.get("key"))
        done, _ = await asyncio.wait([answer], timeout=0.3)
        assert not done
        other.valkey.resume()
        assert await answer == b"value"


async def test_an_unreachable_server_is_named_with_its_variable_and_without_its_password(tmp_path: Path) -> None:
    settings = load_settings(
        state_dir=tmp_path,
        kafka_bootstrap="127.0.0.1:1",
        postgres_dsn="postgresql://shop:hunter2@127.0.0.1:1/shop",
        redis_url="redis://:hunter2@127.0.0.1:1/0",
    )
    with pytest.raises(ServerUnreachableError) as caught:
        async with embedded_stack(settings):
            pass
    assert "LASTUNIT_" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_a_kafka_that_is_another_cluster_is_refused(stack: Stack, tmp_path: Path) -> None:
    settings = only_valkey(stack, tmp_path).model_copy(update={"cluster_id": "another-cluster-id-000"})
    with pytest.raises(StateMismatchError, match="LASTUNIT_CLUSTER_ID"):
        async with embedded_stack(settings):
            pass


@pytest.fixture
def no_maven_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2_REPO", str(tmp_path / "no-maven-cache"))


def use_repository(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jgo's configuration file name a repository on this machine, and no other."""
    config = tmp_path / "jgo.conf"
    config.write_text(f"[repositories]\ncentral = http://127.0.0.1:{port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))


@pytest.fixture
def wrong_repository(tmp_path: Path) -> Iterator[int]:
    """Port of a repository that answers every request with a page that is no jar."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Please sign in</html>")

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Page)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.usefixtures("no_maven_cache")
def test_once_fetched_the_jars_need_no_network(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_repository(1, tmp_path, monkeypatch)
    cached = ensure_jars(stack.settings.cache_dir, SilentProgress())
    assert len(list(cached.glob("*.jar"))) > 40


@pytest.mark.usefixtures("no_maven_cache")
def test_without_a_network_the_first_fetch_names_what_is_missing_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_repository(1, tmp_path, monkeypatch)
    with pytest.raises(JarsUnavailableError, match="Connect to the network"):
        ensure_jars(tmp_path, SilentProgress())
    assert not jar_directory(tmp_path).exists()


@pytest.mark.usefixtures("no_maven_cache")
def test_bytes_that_the_lock_does_not_name_are_never_used(
    wrong_repository: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_repository(wrong_repository, tmp_path, monkeypatch)
    with pytest.raises(JarsUnavailableError, match="not the file that the lock names"):
        ensure_jars(tmp_path, SilentProgress())
    assert not jar_directory(tmp_path).exists()
