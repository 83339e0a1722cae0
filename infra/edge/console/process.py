"""The console as one process. On loopback everybody may read it; beyond, a key or a token and TLS are demanded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from infra.base.errors import SettingsError
from infra.edge.access.authentication import Authentication
from infra.edge.access.key_set import KeySet
from infra.edge.access.known_keys import KnownKeys
from infra.edge.access.tokens import Tokens
from infra.edge.access.transport import is_loopback
from infra.edge.console.answers import Console
from infra.edge.console.gate import Gate
from infra.edge.console.routes import application
from infra.edge.console.watching import Watch
from infra.edge.measured import Measured
from infra.edge.server import HttpServer

if TYPE_CHECKING:
    from infra.base.settings import Settings
    from infra.ops.process_metrics import RequestMetrics


class ConsoleProcess:
    """Runs until asked to stop. With port 0 any free one is taken; `address` is where it listens once `listening` is set."""

    def __init__(self, settings: Settings, requests: RequestMetrics | None = None) -> None:
        self._settings = settings
        proxies = settings.api_proxies.split()
        self._is_for_this_machine = is_loopback(settings.console_host) and not proxies
        self._authentication = Authentication(
            KnownKeys(settings.postgres_dsn or ""), _tokens(settings), is_for_this_machine=self._is_for_this_machine
        )
        self.watch = Watch(settings)
        self.gate = Gate(self._authentication, is_for_this_machine=self._is_for_this_machine)
        app = application(Console(settings, self.watch, self.gate))
        self._server = HttpServer(
            app if requests is None else Measured(app, requests),
            host=settings.console_host,
            port=settings.console_port,
            certificate=settings.api_tls_cert,
            key=settings.api_tls_key,
            proxies=proxies,
        )
        self._stopping = asyncio.Event()
        self.listening = self._server.listening

    @property
    def address(self) -> str:
        """Where the console listens, once it does."""
        return self._server.address

    def stop(self) -> None:
        """Ask for a graceful end."""
        self._stopping.set()

    async def run(self) -> None:
        """Watch and serve until `stop`. Raises SettingsError for an address at which strangers would be let in."""
        try:
            if not self._is_for_this_machine:
                await self._authentication.start()
                self._require_safe()
            async with asyncio.TaskGroup() as tasks:
                background = [tasks.create_task(self.watch.run()), tasks.create_task(self._keep_keys())]
                serving = tasks.create_task(self._server.run())
                await self._stopping.wait()
                self.watch.end()
                self._server.stop()
                await serving
                for task in background:
                    task.cancel()
        finally:
            await self._authentication.close()

    async def _keep_keys(self) -> None:
        """Know keys: on loopback pages are served before they are read, as reading needs none."""
        if self._is_for_this_machine:
            await self._authentication.start()
        await self._authentication.run()

    def _require_safe(self) -> None:
        where = f"LASTUNIT_CONSOLE_HOST={self._settings.console_host} is reachable from elsewhere"
        if self._settings.api_proxies:
            where = "LASTUNIT_API_PROXIES lets others reach the console"
        if not self._authentication.has_callers:
            raise SettingsError(
                f"{where}, and nobody could sign in. Make a key first: `lastunit keys create NAME --scope console:read`;"
                " else set LASTUNIT_CONSOLE_HOST to 127.0.0.1, without proxies."
            )
        if self._settings.api_tls_cert is None and not self._settings.api_proxies:
            raise SettingsError(
                f"{where}, and keys would travel in the clear. Name a certificate and its key, LASTUNIT_API_TLS_CERT and"
                " LASTUNIT_API_TLS_KEY, or the proxies that speak TLS in front of it, LASTUNIT_API_PROXIES."
            )


def _tokens(settings: Settings) -> Tokens | None:
    if not settings.api_jwt_keys:
        return None
    return Tokens(KeySet(settings.api_jwt_keys), issuer=settings.api_jwt_issuer, audience=settings.api_jwt_audience)
