"""Kafka's jars on disk: downloaded once, compared with the lock, found again without a network.

The directory is named after the lock's hash and appears by one rename when every jar in it is verified, so its being
there means that it is complete.

Decision: docs/decisions, 033.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

LOCK_PATH = Path(__file__).with_name("kafka-jars.lock")


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock: `group:artifact:version sha256`."""

    coordinate: str
    sha256: str

    @property
    def filename(self) -> str:
        """Name of the file in a flat directory."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def locked_jars(path: Path = LOCK_PATH) -> list[Jar]:
    """Read the lock."""
    lines = (line.split() for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return [Jar(coordinate, sha256) for coordinate, sha256 in lines]


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def jar_directory(cache_dir: Path) -> Path:
    """Where the jars of the present lock are, or will be."""
    return cache_dir / f"kafka-{hashlib.sha256(LOCK_PATH.read_bytes()).hexdigest()[:16]}"
