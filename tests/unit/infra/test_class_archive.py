"""The archive of Kafka's classes is made once, by one process, and no start depends on it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from infra.base.errors import StackError
from infra.local.stack.class_archive import archive_options, ensure_archive
from infra.local.stack.progress import SilentProgress


def write(archive: Path, content: bytes = b"classes") -> None:
    archive.write_bytes(content)


def writing(content: bytes | None, rehearsals: list[Path]) -> Callable[[Path], Awaitable[None]]:
    """Return a rehearsal that leaves this content behind, or no file."""

    async def rehearse(archive: Path) -> None:
        rehearsals.append(archive)
        if content is not None:
            write(archive, content)

    return rehearse


async def test_it_is_made_once_and_used_from_then_on(tmp_path: Path) -> None:
    jars, rehearsals = tmp_path / "kafka-1", list[Path]()
    assert archive_options(jars) == ()
    for _ in range(2):
        await ensure_archive(jars, writing(b"classes", rehearsals), SilentProgress())
    assert len(rehearsals) == 1
    [option] = archive_options(jars)
    assert option.startswith(f"-XX:AOTCache={jars}-jdk")
    assert archive_options(tmp_path / "kafka-2") == (), "other jars have another one"


async def test_a_jvm_that_writes_none_is_not_asked_again(tmp_path: Path) -> None:
    rehearsals = list[Path]()
    for _ in range(2):
        await ensure_archive(tmp_path / "kafka-1", writing(None, rehearsals), SilentProgress())
    assert len(rehearsals) == 1
    assert archive_options(tmp_path / "kafka-1") == ()


async def test_a_rehearsal_that_fails_stops_no_start_and_is_tried_again(tmp_path: Path) -> None:
    async def fail(archive: Path) -> None:
        write(archive, b"half")
        raise StackError("not ready in time")

    await ensure_archive(tmp_path / "kafka-1", fail, SilentProgress())
    assert archive_options(tmp_path / "kafka-1") == ()
    await ensure_archive(tmp_path / "kafka-1", writing(b"classes", []), SilentProgress())
    assert archive_options(tmp_path / "kafka-1")


async def test_nobody_waits_for_another_process_that_makes_it(tmp_path: Path) -> None:
    rehearsals = list[Path]()

    async def rehearse(archive: Path) -> None:
        await ensure_archive(tmp_path / "kafka-1", writing(b"classes", rehearsals), SilentProgress())
        write(archive)

    await ensure_archive(tmp_path / "kafka-1", rehearse, SilentProgress())
    assert rehearsals == []
    assert archive_options(tmp_path / "kafka-1")


async def test_a_cache_that_cannot_be_written_stops_no_start(tmp_path: Path) -> None:
    jars, rehearsals = tmp_path / "absent" / "kafka-1", list[Path]()
    await ensure_archive(jars, writing(b"classes", rehearsals), SilentProgress())
    assert (archive_options(jars), rehearsals) == ((), [])
