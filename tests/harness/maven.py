"""What tests need of Maven beside Kafka's jars: `python -m tests.harness.maven LOCK FOLDER` fetches what a lock names."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.maven import MavenContext

from infra.local.stack.jars import Jar, locked_jars, sha256_of


def fetch(lock: Path, folder: Path) -> None:
    """Fill a folder with the files of a lock, `group:artifact:version sha256` a line; what is there already stays.

    Raises OSError where what was served is not what the lock names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for jar in locked_jars(lock):
        target = folder / jar.filename
        if not target.is_file() or sha256_of(target) != jar.sha256:
            _fetch(jar, target)


def _fetch(jar: Jar, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        context = MavenContext(repo_cache=Path(scratch))
        context.remote_repos.update(GlobalSettings.load().repositories)
        fetched = context.create_dependency(jar.coordinate).artifact.resolve()
        if sha256_of(fetched) != jar.sha256:
            raise OSError(f"{jar.coordinate} has the SHA-256 {sha256_of(fetched)}, not the one in the lock")
        shutil.move(fetched, target)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]), Path(sys.argv[2]))
