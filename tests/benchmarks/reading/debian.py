"""A PostgreSQL of Debian's, for the lanes that need pg_trgm: the embedded one has no extensions."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import psutil

from tests.benchmarks.harness.rounds import say


def binaries() -> Path | None:
    """Return where Debian's newest PostgreSQL is; None where there is none."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return programs[-1].parent if programs else None


@contextmanager
def running(port: int) -> Iterator[tuple[str, psutil.Process]]:
    """Run it for the block, with data that goes away; yields its address and its process."""
    programs = binaries()
    assert programs is not None
    home = Path(mkdtemp(prefix="lastunit-postgresql-"))
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(home, "postgres")
    data = home / "data"
    initdb: list[str | Path] = [*as_user, programs / "initdb", "-D", data, "-A", "trust", "-U", "bench", "-E", "UTF8"]
    subprocess.run(initdb, check=True, capture_output=True)
    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c shared_buffers=512MB -c max_connections=20"
    start: list[str | Path] = [
        *as_user,
        programs / "pg_ctl",
        "-D",
        data,
        "-w",
        "-l",
        home / "log",
        "-o",
        options,
        "start",
    ]
    subprocess.run(start, check=True, capture_output=True)
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
        say(f"Debian's PostgreSQL runs ({programs.parts[-2]})")
        yield f"postgresql://bench@127.0.0.1:{port}/postgres", psutil.Process(pid)
    finally:
        stop: list[str | Path] = [*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"]
        subprocess.run(stop, check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)
