"""Records of a newer release, met while some processes are not upgraded yet: they wait for a newer process.

A release registers its schemas in PostgreSQL before its processes start (infra/base/registered_schemas.py). A schema id that this
process does not know, but that is registered, is therefore a newer release's; any other unknown id is nobody's, and a dead letter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from consumers.runtime.postgres.queries import QUERIES
from schemas.codec.wire import schema_id_of, unknown_schema_id
from schemas.errors import UnknownSchemaIdError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.runtime.deciding.batch import DecodedSlice
    from consumers.runtime.deciding.record import Record
    from consumers.runtime.postgres.database import Database
    from producers.outage import Readiness

log = structlog.get_logger()


class NewerSchemas:
    """What a process reads and leaves to a newer release. While it holds a record back, the process is not ready."""

    def __init__(self, name: str, database: Database, readiness: Readiness) -> None:
        self._name = name
        self._database = database
        self._readiness = readiness
        self._obstacle = f"schemas of {name}"
        self._registered: set[int] = set()
        self._waiting: dict[int, int] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether records of a newer release wait here."""
        return bool(self._waiting)

    async def hold_back(self, slices: Sequence[DecodedSlice]) -> tuple[list[DecodedSlice], list[DecodedSlice]]:
        """Return the slices up to the first record of a newer release in each, and what begins with such a record."""
        if not any(decoded.refused for decoded in slices):
            return list(slices), []
        await self._look_up({schema_id for decoded in slices for _, schema_id in unknown_schemas(decoded)})
        kept, held = [], []
        for decoded in slices:
            newer = next((each for each in unknown_schemas(decoded) if each[1] in self._registered), None)
            if newer is None:
                kept.append(decoded)
                continue
            before, at, _ = decoded.cut(newer[0])
            if before.next > before.first:
                kept.append(before)
            held.append(at)
            self._note(at.partition, at.first, newer[1])
        return kept, held

    async def first_in(self, partition: int, records: Sequence[Any]) -> int | None:
        """Return the place of the first record of a newer release among a partition's; None where there is none."""
        unknown = [
            (at, schema_id)
            for at, record in enumerate(records)
            if (schema_id := unknown_schema_id(record.value)) is not None
        ]
        if not unknown:
            return None
        await self._look_up({schema_id for _, schema_id in unknown})
        newer = next((each for each in unknown if each[1] in self._registered), None)
        if newer is None:
            return None
        self._note(partition, records[newer[0]].offset, newer[1])
        return newer[0]

    def revoked(self, partitions: Iterable[int]) -> None:
        """Forget what waited in these partitions: they are another process's."""
        gone = set(partitions)
        self._waiting = {at: first for at, first in self._waiting.items() if at not in gone}
        if not self._waiting:
            self._readiness.cleared(self._obstacle)

    async def _look_up(self, ids: set[int]) -> None:
        """Ask for ids that are not known to be registered, each time anew: a newer release may register them any time."""
        if asked := sorted(ids - self._registered):
            rows = await self._database.run_with_retry("load", lambda c: c.fetch(QUERIES["registered_schemas"], asked))
            self._registered.update(row["id"] for row in rows)

    def _note(self, partition: int, offset: int, schema_id: int) -> None:
        if self._waiting.get(partition) == offset:
            return
        self._waiting[partition] = offset
        log.warning("newer_schema", room=self._name, partition=partition, offset=offset, schema_id=schema_id)
        self._readiness.blocked(
            self._obstacle,
            f"partition {partition} waits at offset {offset}: schema id {schema_id} is a newer release's; "
            "upgrade this process",
        )


def unknown_schemas(decoded: DecodedSlice) -> list[tuple[int, int]]:
    """Return the refused readings that name a schema this process does not know: (place among the readings, schema id)."""
    unknown = []
    for at in decoded.refused:
        record, refusal = decoded.readings[at]
        if getattr(refusal, "reason", None) == UnknownSchemaIdError.reason:
            unknown.append((at, _schema_id(record)))
    return unknown


def _schema_id(record: Record) -> int:
    assert record.value is not None  # noqa: S101  what has no value names no schema
    return schema_id_of(record.value)
