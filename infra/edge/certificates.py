"""A certificate that is renewed while the server runs: its files are read again when they have changed.

New connections get the new certificate; those that are open keep theirs. Files that cannot be used together, as while only one of
them is written, change nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final, TypeAlias

import structlog

log = structlog.get_logger()

LOOK_SECONDS: Final = 10.0
"""How often the files are looked at."""
_State: TypeAlias = tuple[tuple[int, int, int], ...]


class CertificateFiles:
    """The PEM files of a certificate with its chain, and of its key without a passphrase."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._seen = self._state()

    async def keep(self, context: ssl.SSLContext) -> None:
        """Load the files into `context` whenever they have changed, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self._look, context)

    def _look(self, context: ssl.SSLContext) -> None:
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            # A certificate whose key does not fit would stay in the context: it is tried in another one first.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
            context.load_cert_chain(*self._files)
        except OSError as error:  # an SSLError is one
            log.warning(
                "certificate_not_taken", file=str(self._files[0]), error=str(error), effect="the last one is in use"
            )
        else:
            log.info("certificate_taken", file=str(self._files[0]))

    def _state(self) -> _State:
        """Return what changes when a file is written, or another takes its place."""
        states = []
        for file in self._files:
            try:
                stat = file.stat()
                states.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
            except OSError:
                states.append((0, 0, 0))
        return tuple(states)
