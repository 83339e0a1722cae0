"""What tests need of Maven beside Kafka's jars: `python -m tests.harness.maven LOCK FOLDER` fetches what a lock names.

Each line of a lock is `group:artifact:version sha256`, or `group:artifact:version:classifier:packaging sha256`; archives are unpacked.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.maven import MavenContext

from infra.local.stack.jars import locked_jars, sha256_of


def fetch(lock: Path, folder: Path) -> None:
    """Fill a folder with what a lock names; what is there already stays.

    Raises OSError where what was served is not what the lock names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for jar in locked_jars(lock):
        group, artifact, version, *kind = jar.coordinate.split(":")
        target = folder / ("-".join((artifact, version, *kind[:1])) + "." + (kind[1] if kind else "jar"))
        if target.is_file() and sha256_of(target) == jar.sha256:
            continue
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            context = MavenContext(repo_cache=Path(scratch))
            context.remote_repos.update(GlobalSettings.load().repositories)
            fetched = context.project(group, artifact).at_version(version).artifact(*kind).resolve()
            if sha256_of(fetched) != jar.sha256:
                raise OSError(f"{jar.coordinate} has the SHA-256 {sha256_of(fetched)}, not the one in the lock")
            if kind:
                shutil.unpack_archive(fetched, folder, filter="data")
            shutil.move(fetched, target)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]), Path(sys.argv[2]))
