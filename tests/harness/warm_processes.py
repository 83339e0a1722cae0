"""Processes that begin with the libraries loaded: a command of half a second would spend a whole one on importing.

A server without threads or an event loop has imported what most commands need, and forks for each command. Nothing
of the command line itself is imported in it, so that a command reads its environment and its terminal anew.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

_LIBRARIES: Final = (
    "aiohttp",
    "aiokafka.admin",
    "asyncpg",
    "confluent_kafka.admin",
    "fastavro",
    "msgspec",
    "numpy",
    "prometheus_client",
    "pydantic_settings",
    "redis.asyncio",
    "rich.progress",
    "rich.table",
    "structlog",
    "typer",
    "uvloop",
    "schemas.codec.wire",
    "topology.admin",
    "producers.publisher",
    "producers.clients.stock",
    "consumers.views.store",
    "infra.base.connections",
    "infra.ops.audit",
)
_MOST_BYTES: Final = 1 << 20


async def run_warm(environment: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    """Run `lastunit` with these arguments; return its exit status, output and error output."""
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
        socket.socket(socket.AF_UNIX) as server,
    ):
        server.connect(await asyncio.to_thread(_address))
        request = json.dumps([dict(environment), str(Path.cwd()), arguments]).encode()
        socket.send_fds(server, [len(request).to_bytes(4, "big") + request], [output.fileno(), errors.fileno()])
        server.setblocking(False)
        status = await asyncio.get_running_loop().sock_recv(server, 4)
        if not status:
            raise ChildProcessError("the process that forks commands ended")
        output.seek(0)
        errors.seek(0)
        return int.from_bytes(status, "big", signed=True), output.read().decode(), errors.read().decode()


@functools.cache
def _address() -> str:
    """Start this process's server, once; return where it listens."""
    folder = tempfile.TemporaryDirectory(prefix="warm")
    path = f"{folder.name}/socket"
    process = subprocess.Popen([sys.executable, "-m", __name__, path], stdout=subprocess.PIPE)

    def end() -> None:
        process.kill()
        process.wait()
        folder.cleanup()

    atexit.register(end)
    assert process.stdout is not None
    assert process.stdout.readline() == b"listening\n"
    process.stdout.close()
    return path


def serve(path: str) -> NoReturn:
    """Fork for each request until killed."""
    for name in _LIBRARIES:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        print("listening", flush=True)  # noqa: T201
        while True:
            client, _ = listening.accept()
            with client:
                if os.fork() == 0:
                    listening.close()
                    _watch(client)


def _watch(client: socket.socket) -> NoReturn:
    """Fork the command, wait for its end, answer with its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, (output, errors), _, _ = socket.recv_fds(client, _MOST_BYTES, 2)
    while len(request) < 4 + int.from_bytes(request[:4], "big"):
        request += client.recv(_MOST_BYTES)
    environment, folder, arguments = json.loads(request[4:])
    if (pid := os.fork()) == 0:
        client.close()
        os.dup2(output, 1)
        os.dup2(errors, 2)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        os._exit(_lastunit(arguments))
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):  # who asked may have given up
        client.send(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    os._exit(0)


def _lastunit(arguments: list[str]) -> int:
    from infra.cli import main  # noqa: PLC0415

    sys.argv = ["lastunit", *arguments]
    try:
        main()
    except SystemExit as ending:
        if ending.code is not None and not isinstance(ending.code, int):
            print(ending.code, file=sys.stderr)  # noqa: T201
            return 1
        return ending.code or 0
    except BaseException:  # noqa: BLE001  as the interpreter ends
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
