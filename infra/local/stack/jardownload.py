"""The download of Kafka's jars, once for each lock; found again without a network.

Decision: docs/decisions, 033.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from infra.base.errors import JarsUnavailableError
from infra.local.stack.jars import Jar, jar_directory, locked_jars, sha256_of
from infra.local.stack.progress import Progress

if TYPE_CHECKING:
    from jgo.maven import MavenContext

_PARALLEL_DOWNLOADS = 8
_TRIES = 3


class Download:
    """Fills `staging`; what an interrupted run left there is used again if its hash is right."""

    def __init__(self, staging: Path, progress: Progress, cancelled: threading.Event) -> None:
        from jgo.config import GlobalSettings  # noqa: PLC0415  0.3 s, and needed for a download only

        configured = GlobalSettings.load()
        self._staging = staging
        self._progress = progress
        self._cancelled = cancelled
        self._maven_cache = configured.repo_cache
        self._repositories = configured.repositories

    def run(self) -> None:
        """Fetch all jars, several at a time. Raises JarsUnavailableError."""
        jars = locked_jars()
        known = {jar.filename for jar in jars}
        for leftover in self._staging.iterdir():
            if leftover.name not in known:
                _remove(leftover)
        with (
            self._progress.counted("Fetching Kafka's jars", len(jars)) as advance,
            ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool,
        ):
            try:
                for _ in pool.map(self._provide, jars):
                    advance()
            except BaseException:
                self._cancelled.set()  # the others stop at their next step
                raise

    def _provide(self, jar: Jar) -> None:
        target = self._staging / jar.filename
        if _is(jar, target):
            return
        failures: list[str] = []
        for attempt in range(_TRIES):
            if self._cancelled.wait(attempt):  # also the pause before a retry: 0, 1, 2 s
                raise JarsUnavailableError(
                    "The download of Kafka's jars was interrupted; it is taken up again next time"
                )
            try:
                self._fetch(jar, target)
            except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo raises RuntimeError on 404
                failures.append(f"  {error}")
            else:
                return
        raise JarsUnavailableError(
            f"Cannot download {jar.coordinate}, a part of Kafka:\n{failures[-1]}\n"
            "Connect to the network for the first start (later ones need none), or name a repository that can be"
            " reached in jgo's configuration file, section [repositories]."
        )

    def _fetch(self, jar: Jar, target: Path) -> None:
        """Bring one jar into place, from the user's own Maven cache or a repository. Raises OSError, RuntimeError."""
        scratch = self._staging / f"{jar.filename}.fetch"
        _remove(scratch)
        try:
            artifact = self._context(scratch).create_dependency(jar.coordinate).artifact
            cached = self._maven_cache / artifact.component.path_prefix / artifact.filename
            if _is(jar, cached):
                scratch.mkdir()
                fetched = Path(shutil.copyfile(cached, scratch / jar.filename))
            else:
                fetched = artifact.resolve()
            if not _is(jar, fetched):
                raise OSError(f"what was served for {jar.coordinate} is not the file that the lock names")
            fetched.rename(target)
        finally:
            _remove(scratch)

    def _context(self, scratch: Path) -> MavenContext:
        from jgo.maven import MavenContext  # noqa: PLC0415  same

        context = MavenContext(repo_cache=scratch)
        context.remote_repos.update(self._repositories)
        return context


def _is(jar: Jar, path: Path) -> bool:
    return path.is_file() and sha256_of(path) == jar.sha256


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def ensure_jars(cache_dir: Path, progress: Progress, cancelled: threading.Event | None = None) -> Path:
    """Return the directory with every jar of the lock, downloading what is missing. Blocks; safe across processes.

    Setting `cancelled` from another thread ends a download soon. Raises JarsUnavailableError.
    """
    directory = jar_directory(cache_dir)
    if directory.is_dir():
        return directory
    cache_dir.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(cache_dir / "kafka.lock"):
        if not directory.is_dir():
            staging = directory.with_suffix(".part")
            staging.mkdir(exist_ok=True)
            Download(staging, progress, cancelled or threading.Event()).run()
            staging.rename(directory)
    return directory


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock between processes; another one's download is waited for, not repeated."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
