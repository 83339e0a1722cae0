"""A certificate is renewed while the server runs; one that cannot be used changes nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from infra.edge import certificates
from infra.edge.server import HttpServer
from tests.harness.certificates import self_signed
from tests.harness.waiting import until


async def _app(_scope: object, _receive: object, _send: object) -> None:
    """Serve nothing: only the handshake is looked at."""


@asynccontextmanager
async def serving(certificate: Path, key: Path) -> AsyncIterator[int]:
    server = HttpServer(_app, host="127.0.0.1", port=0, certificate=certificate, key=key)
    running = asyncio.create_task(server.run())
    await server.listening.wait()
    yield int(server.address.rpartition(":")[2])
    server.stop()
    await running


async def shown_at(port: int) -> bytes:
    """Return the certificate that a new connection is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return certificate


def der(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text())


async def test_new_files_are_taken_while_it_runs_and_bad_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "LOOK_SECONDS", 0.05)
    certificate, key = self_signed(tmp_path)
    first = der(certificate)
    (tmp_path / "new").mkdir()
    new_certificate, new_key = self_signed(tmp_path / "new")
    async with serving(certificate, key) as port:
        assert await shown_at(port) == first
        with capture_logs() as logged:
            certificate.write_bytes(new_certificate.read_bytes())  # without its key, as between two writes
            await until(lambda: any(line["event"] == "certificate_not_taken" for line in logged))
            assert await shown_at(port) == first
            key.write_bytes(new_key.read_bytes())
            await until(lambda: any(line["event"] == "certificate_taken" for line in logged))
        assert await shown_at(port) == der(new_certificate)
