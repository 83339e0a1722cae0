"""Names whoever puts records into partitions where their keys do not belong: one log line a minute at most, with the setting to change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from topology.foreign_partitioners import suspect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.runtime.deciding.record import MisroutedRecord, Record

log = structlog.get_logger()

REPORT_SECONDS: Final = 60.0
MOST_KEYS: Final = 64
"""Keys of a topic by which a partitioner is judged: enough to leave nothing to chance."""


class MisroutingReport:
    """What one owner has met of misrouted records. `count` has how many of each topic, by its name, since the start."""

    def __init__(self) -> None:
        self.count: dict[str, int] = {}
        self._unnamed: dict[str, int] = {}
        self._places: dict[str, dict[tuple[bytes, int], None]] = {}
        self._due = 0.0

    def note(self, topic: str, misrouted: Iterable[tuple[Record, MisroutedRecord]]) -> None:
        """Count records of a topic. Those of an earlier number of partitions are no error of a partitioner's."""
        errors = [(record, misrouting) for record, misrouting in misrouted if not misrouting.is_of_earlier_number]
        if not errors:
            return
        self.count[topic] = self.count.get(topic, 0) + len(errors)
        self._unnamed[topic] = self._unnamed.get(topic, 0) + len(errors)
        places = self._places.setdefault(topic, {})
        places |= {(misrouting.key, record.partition): None for record, misrouting in errors[-MOST_KEYS:]}
        self._places[topic] = dict(list(places.items())[-MOST_KEYS:])

    def report(self, partitions: int) -> None:
        """Log what is new, if the last line is old enough; the topics have so many partitions."""
        if not self._unnamed or time.monotonic() < self._due:
            return
        for topic, new in self._unnamed.items():
            suspected = suspect(self._places[topic], partitions)
            log.warning(
                "records_misrouted",
                topic=topic,
                new=new,
                since_start=self.count[topic],
                put_by=suspected.text if suspected is not None else "",
            )
        self._unnamed.clear()
        self._places.clear()
        self._due = time.monotonic() + REPORT_SECONDS
