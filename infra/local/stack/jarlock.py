"""Which jars make the embedded Kafka: pinned coordinates, resolved once into kafka-jars.lock.

`python -m infra.local.stack.jarlock` resolves again (`make lock` runs it) and writes, for each jar, its Maven coordinate and
the SHA-256 of its bytes. Users never resolve; they download what the lock names and compare.

Decision: docs/decisions, 033.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from jgo.maven import Dependency, MavenContext

from infra.local.stack.jars import LOCK_PATH, sha256_of

COORDINATES = (
    "org.apache.kafka:kafka_2.13:4.3.1",
    "org.apache.kafka:kafka-tools:4.3.1",  # StorageTool and the lag figures
)
# Kafka logs to slf4j 1.7; this one jar brings that to the log4j which Kafka depends on. Taken without its dependencies:
# its parent's dependency management would pull an old kafka-clients in.
SINGLE = ("org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",)
# Kafka Connect is half of the tools' dependencies, and no class that we run touches it.
EXCLUDED = (("org.apache.kafka", "connect-runtime"),)


def write_lock(path: Path = LOCK_PATH) -> int:
    """Resolve COORDINATES and write the lock; returns the number of jars."""
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(repo_cache=Path(folder))
        jars = sorted(
            f"{_coordinate(dependency)} {sha256_of(dependency.artifact.resolve())}" for dependency in _resolve(context)
        )
    header = "# Every jar of the embedded Kafka, by coordinate and SHA-256; written by `python -m infra.local.stack.jarlock`.\n"
    path.write_text(header + "\n".join(jars) + "\n")
    return len(jars)


def _resolve(context: MavenContext) -> list[Dependency]:
    excluded = [context.project(group, artifact) for group, artifact in EXCLUDED]
    wanted = [context.create_dependency(coordinate, excluded) for coordinate in COORDINATES]
    inputs, transitive = context.resolver.resolve(wanted)
    needed = (dependency for dependency in transitive if dependency.scope in {"compile", "runtime"})
    return [*inputs, *needed, *(context.create_dependency(coordinate) for coordinate in SINGLE)]


def _coordinate(dependency: Dependency) -> str:
    return f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"


if __name__ == "__main__":
    print(f"{write_lock()} jars locked")
