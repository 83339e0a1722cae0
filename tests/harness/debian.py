"""Debian's packages without installing them: `python -m tests.harness.debian FOLDER PACKAGE...` unpacks them into a folder.

Nobody needs to be root for it, and no service is started, as the installation of Debian's varnish or prometheus does.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def unpack(folder: Path, packages: Sequence[str]) -> None:
    """Fetch packages, with what they depend on that this system lacks; apt checks their signatures.

    Raises CalledProcessError, or FileNotFoundError where there is no apt.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.resolve()) as scratch:
        lists, archives = Path(scratch, "lists"), Path(scratch, "archives")
        for directory in (lists, archives):
            (directory / "partial").mkdir(parents=True)
        options = {
            "Dir::State::lists": str(lists),
            "Dir::Cache": scratch,
            "Debug::NoLocking": "true",  # the system's locks belong to root
            "APT::Sandbox::User": "",
            "Acquire::Retries": "1",
        }
        apt = ["apt-get", "--quiet=2", *(f"--option={name}={value}" for name, value in options.items())]
        _run(*apt, "update")
        # A package that is installed, but not found where programs are, is fetched too.
        _run(*apt, "--yes", "--no-install-recommends", "--download-only", "--reinstall", "install", *packages)
        for archive in sorted(archives.glob("*.deb")):
            _run("dpkg", "--extract", str(archive), str(folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    try:
        unpack(Path(sys.argv[1]), sys.argv[2:])
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        sys.exit(f"Not unpacked: {error}")
