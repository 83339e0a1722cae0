"""The first record at a position, for its timestamp: read once, then remembered for as long as the position stands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumers.lag.model import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LOOK_SECONDS: Final = 1.5
"""How long one look may take to read; what was not read by then is read by the next, its time lag not known until then."""
MOST_PARTITIONS: Final = 256
"""Partitions read at once: each brings a batch, at most a mebibyte."""

Position = tuple[str, int, int]
"""Topic, partition and offset."""


def furthest_behind(positions: Iterable[Position]) -> list[Position]:
    """Return one position of each partition, as a consumer stands at one place: the first, which stands still if any does.

    What stands still is remembered; read last, it would never be read while the others move on faster than they are read.
    """
    furthest: dict[tuple[str, int], Position] = {}
    for topic, partition, offset in positions:
        before = furthest.get((topic, partition))
        if before is None or offset < before[2]:
            furthest[topic, partition] = (topic, partition, offset)
    return list(furthest.values())


class FirstRecords:
    """Reads first records without a group: nobody's position moves by it. Blocking."""

    def __init__(self, connection: Mapping[str, str | int | float | bool]) -> None:
        self._connection = connection
        self._known: dict[tuple[str, Position], Waiting] = {}
        self._consumer: Consumer | None = None

    def close(self) -> None:
        """Leave the cluster."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def at(self, positions: Iterable[Position], topic_ids: Mapping[str, str]) -> dict[Position, Waiting]:
        """Return the first record at or after each position; a position that could not be read in time is left out.

        Where a topic was made anew, its old records do not count: they are remembered under the topic's id.
        """
        wanted = {(topic_ids.get(position[0], ""), position): position for position in positions}
        self._known = {key: waiting for key, waiting in self._known.items() if key in wanted}
        unread = sorted(position for key, position in wanted.items() if key not in self._known)
        read: dict[Position, Waiting] = {}
        deadline = time.monotonic() + LOOK_SECONDS
        while unread and time.monotonic() < deadline:
            now = furthest_behind(unread)[:MOST_PARTITIONS]
            read |= self._read(now, deadline)
            unread = sorted(set(unread) - set(now))
        # That there is no record yet holds for a moment only.
        self._known |= {
            (topic_ids.get(position[0], ""), position): waiting
            for position, waiting in read.items()
            if waiting.at_ms is not None
        }
        return read | {position: self._known[key] for key, position in wanted.items() if key in self._known}

    def _read(self, positions: list[Position], deadline: float) -> dict[Position, Waiting]:
        """Read one record at each position, each of another partition."""
        consumer = self._connected()
        left = {(topic, partition): (topic, partition, offset) for topic, partition, offset in positions}
        first_records: dict[Position, Waiting] = {}
        places = [TopicPartition(*position) for position in positions]
        consumer.assign(places)
        try:
            consumer.resume(places)  # librdkafka keeps a partition paused over another assignment
            while left and (seconds := deadline - time.monotonic()) > 0:
                message = consumer.poll(seconds)
                if message is None:
                    break
                position = left.get((message.topic() or "", message.partition() or 0))
                error = message.error()
                if position is None or (error is None and (message.offset() or 0) < position[2]):
                    continue
                if error is None:
                    first_records[position] = Waiting(message.timestamp()[1])
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  its public name
                    first_records[position] = Waiting(None)
                del left[position[:2]]
                consumer.pause([TopicPartition(*position[:2])])
        except KafkaException:
            return first_records
        finally:
            consumer.unassign()
        return first_records

    def _connected(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(
                {
                    **self._connection,
                    "group.id": "lastunit-lag",  # librdkafka insists; nothing joins or commits under it
                    "enable.auto.commit": False,
                    "enable.partition.eof": True,
                    "auto.offset.reset": "error",
                    "fetch.wait.max.ms": 10,
                    "fetch.message.max.bytes": 1_024,  # a whole batch comes all the same (KIP-74)
                    "queued.min.messages": 1,
                    "isolation.level": "read_committed",
                }
            )
        return self._consumer
