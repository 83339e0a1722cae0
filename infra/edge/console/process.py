"""The console as one process. It has no login yet, so it listens on loopback only."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING, Final

import structlog
import uvicorn

from infra.base.errors import SettingsError
from infra.edge.console.routes import application
from infra.edge.console.watching import Watch

if TYPE_CHECKING:
    from infra.base.settings import Settings

log = structlog.get_logger()

GRACE_SECONDS: Final = 2
"""How long pages that follow the system are waited for at the end."""


class ConsoleProcess:
    """Runs until asked to stop. With port 0 any free one is taken; `address` is where it listens once `listening` is set."""

    def __init__(self, settings: Settings) -> None:
        if not is_loopback(settings.console_host):
            raise SettingsError(
                f"LASTUNIT_CONSOLE_HOST={settings.console_host} is reachable from elsewhere, and the console has no login: "
                "name 127.0.0.1, and reach it through a tunnel."
            )
        self.watch = Watch(settings)
        config = uvicorn.Config(
            application(self.watch),
            host=settings.console_host,
            port=settings.console_port,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._stopping = asyncio.Event()
        self.listening = asyncio.Event()

    @property
    def address(self) -> str:
        """Where the console listens, once it does."""
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def stop(self) -> None:
        """Ask for a graceful end."""
        self._stopping.set()

    async def run(self) -> None:
        """Watch and serve until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self.watch.run())
            serving = tasks.create_task(self._serve())
            await self._stopping.wait()
            await self.watch.end()
            self._server.should_exit = True
            await serving
            watching.cancel()

    async def _serve(self) -> None:
        config = self._server.config
        config.load()
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup()
        self.listening.set()
        log.info("console_listens", address=self.address)
        await self._server.main_loop()
        await self._server.shutdown()


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
