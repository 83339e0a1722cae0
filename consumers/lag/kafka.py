"""Looks at a cluster: groups, positions, logs and first waiting records, through confluent-kafka's AdminClient.

Positions are read before the logs' ends, so that a busy partition never seems to be past its end (kafka_exporter#287).
Never its producer: that partitions by CRC32, and our topics by murmur2.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # exported, but not in __all__

from consumers.lag.first_records import FirstRecords
from consumers.lag.hosted import is_host, with_hosted_rooms
from consumers.lag.measure import position_of
from consumers.lag.model import Claimed, GroupSnapshot, LagSnapshot, LogRange, OwnGroup, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

REQUEST_SECONDS: Final = 5.0
FUTURE_SECONDS: Final = REQUEST_SECONDS + 2.0

EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]

Claims = dict[tuple[str, str, int], Claimed]


class Cluster:
    """One cluster. Blocking: call it in a thread of its own. `own_groups` has our groups, as Kafka names them."""

    def __init__(self, bootstrap: str, own_groups: Mapping[str, OwnGroup]) -> None:
        quiet: dict[str, str | int | float | bool] = {
            "bootstrap.servers": bootstrap,
            "log_level": 0,
            "socket.timeout.ms": int(REQUEST_SECONDS * 1000),
        }
        self._admin = AdminClient(quiet)
        self._first_records = FirstRecords(quiet)
        self._own_groups = own_groups

    def close(self) -> None:
        """Leave the cluster."""
        self._first_records.close()

    def look(
        self, read_claims: Callable[[], Claims | None], *, wanted: Callable[[str], bool] = lambda _: True
    ) -> LagSnapshot:
        """Look at all groups that are `wanted` by name. `read_claims` reads PostgreSQL's positions, None without an answer.

        Raises nothing: what could not be read is missing in the look, and named in its errors.
        """
        errors: list[str] = []
        try:
            names = self._group_names(errors)
            topic_ids, partitions = self._topics()
        except KafkaException as error:
            errors.append(f"Kafka does not answer: {_text(error)}")
            return LagSnapshot(at_ms=_now_ms(), listed=None, claimed=read_claims(), errors=errors)
        groups = with_hosted_rooms(
            self._groups([name for name in names if wanted(name) or is_host(name, self._own_groups)], errors),
            self._own_groups,
        )
        claims = read_claims()
        if claims is None:
            errors.append("PostgreSQL does not answer, so the positions of our rooms are not known")
        logs = self._logs(self._places(groups, claims, partitions), errors)
        at_ms = _now_ms()
        waiting = self._waiting(groups, claims, logs, topic_ids, errors)
        return LagSnapshot(
            at_ms=at_ms,
            listed=frozenset(names) | groups.keys(),
            groups=groups,
            topic_ids=topic_ids,
            logs=logs,
            claimed=claims,
            waiting=waiting,
            errors=errors,
        )

    # --- setting positions --------------------------------------------------------------------------------------------

    def offsets_since(
        self, places: Iterable[tuple[str, int]], at_ms: int, errors: list[str]
    ) -> dict[tuple[str, int], int]:
        """Return the first offset since a time (ms since the epoch) of each partition that has one; name what failed."""
        spec = OffsetSpec.for_timestamp(at_ms)
        offsets = self._offsets([TopicPartition(*place) for place in places], spec, errors)
        return {place: offset for place, offset in offsets.items() if offset >= 0}

    def first_records(
        self, positions: Iterable[tuple[str, int, int]], topic_ids: Mapping[str, str]
    ) -> dict[tuple[str, int, int], Waiting]:
        """Return the first record at or after each position, as far as they could be read in time."""
        return self._first_records.at(positions, topic_ids)

    def set_positions(self, group: str, positions: Mapping[tuple[str, int], int]) -> list[str]:
        """Set the positions of a group that nobody is in; return what Kafka refused of it, in words."""
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(*place, at) for place, at in positions.items()])
        answer = self._admin.alter_consumer_group_offsets([asked], request_timeout=REQUEST_SECONDS)[group]
        errors: list[str] = []
        done = _result(answer, f"group {group}", errors)
        refused = Counter(tp.error.str() for tp in (done.topic_partitions if done else ()) if tp.error is not None)
        return errors + [f"{why} ({count} partitions)" for why, count in refused.items()]

    # --- groups -------------------------------------------------------------------------------------------------------

    def _group_names(self, errors: list[str]) -> list[str]:
        listed = self._admin.list_consumer_groups(request_timeout=REQUEST_SECONDS).result(FUTURE_SECONDS)
        errors += [f"a broker does not list its groups: {_text(error)}" for error in listed.errors or ()]
        return sorted(group.group_id for group in listed.valid or ())

    def _groups(self, names: list[str], errors: list[str]) -> dict[str, GroupSnapshot]:
        if not names:
            return {}
        described = self._admin.describe_consumer_groups(names, request_timeout=REQUEST_SECONDS)
        committed = {
            name: self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(name)], request_timeout=REQUEST_SECONDS
            )[name]
            for name in names
        }
        groups = {}
        for name in names:
            description = _result(described[name], f"group {name} is not described", errors)
            positions = _result(committed[name], f"positions of group {name} are not known", errors)
            groups[name] = _group_snapshot(description, positions)
        return groups

    # --- topics -------------------------------------------------------------------------------------------------------

    def _topics(self) -> tuple[dict[str, str], dict[str, int]]:
        """Return every topic's id and number of partitions."""
        names = list(self._admin.list_topics(timeout=REQUEST_SECONDS).topics)
        ids: dict[str, str] = {}
        partitions: dict[str, int] = {}
        if not names:
            return ids, partitions
        answers = self._admin.describe_topics(TopicCollection(names), request_timeout=REQUEST_SECONDS)
        for name, answer in answers.items():
            try:
                topic = answer.result(FUTURE_SECONDS)
            except KafkaException:  # deleted since it was listed
                continue
            ids[name], partitions[name] = str(topic.topic_id), len(topic.partitions)
        return ids, partitions

    def _places(
        self, groups: Mapping[str, GroupSnapshot], claims: Claims | None, partitions: Mapping[str, int]
    ) -> set[tuple[str, int]]:
        """Return every partition that a group reads, and all of our rooms' topics."""
        places = {place for group in groups.values() for place in (*(group.committed or ()), *group.owners)}
        places |= {(topic, partition) for _, topic, partition in claims or ()}
        for own_group in self._own_groups.values():
            places |= {(topic, number) for topic in own_group.topics for number in range(partitions.get(topic, 0))}
        return {(topic, partition) for topic, partition in places if partition < partitions.get(topic, 0)}

    def _logs(self, places: Iterable[tuple[str, int]], errors: list[str]) -> dict[tuple[str, int], LogRange]:
        wanted = [TopicPartition(topic, partition) for topic, partition in places]
        starts = self._offsets(wanted, EARLIEST, errors)
        ends = self._offsets(wanted, LATEST, errors)
        return {place: LogRange(starts[place], end) for place, end in ends.items() if place in starts}

    def _offsets(
        self,
        wanted: list[TopicPartition],
        spec: OffsetSpec,
        errors: list[str],
        isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    ) -> dict[tuple[str, int], int]:
        if not wanted:
            return {}
        answers = self._admin.list_offsets(
            dict.fromkeys(wanted, spec), isolation_level=isolation, request_timeout=REQUEST_SECONDS
        )
        offsets: dict[tuple[str, int], int] = {}
        failed: dict[str, int] = {}
        for tp, answer in answers.items():
            try:
                offsets[tp.topic, tp.partition] = answer.result(FUTURE_SECONDS).offset
            except (KafkaException, TimeoutError) as error:
                failed[_text(error)] = failed.get(_text(error), 0) + 1
        errors += [f"offsets of {count} partitions are not known: {why}" for why, count in failed.items()]
        return offsets

    # --- what waits ---------------------------------------------------------------------------------------------------

    def _waiting(
        self,
        groups: Mapping[str, GroupSnapshot],
        claims: Claims | None,
        logs: dict[tuple[str, int], LogRange],
        topic_ids: Mapping[str, str],
        errors: list[str],
    ) -> dict[tuple[str, int, int], Waiting]:
        """Return the first record at each position that is behind; add to `logs` where their transactions are decided."""
        behind = {
            (topic, partition, max(position, logs[topic, partition].start))
            for topic, partition, position in self._positions(groups, claims, logs)
            if position < logs[topic, partition].end
        }
        places = sorted({(topic, partition) for topic, partition, _ in behind})
        stable = self._offsets(
            [TopicPartition(*place) for place in places], LATEST, errors, IsolationLevel.READ_COMMITTED
        )
        for place, offset in stable.items():
            logs[place] = LogRange(logs[place].start, logs[place].end, offset)
        return self._first_records.at(behind, topic_ids)

    def _positions(
        self, groups: Mapping[str, GroupSnapshot], claims: Claims | None, logs: Mapping[tuple[str, int], LogRange]
    ) -> Iterable[tuple[str, int, int]]:
        for name, group in groups.items():
            for topic, partition in group.committed or ():
                if (topic, partition) in logs and not self._has_claims(name):
                    yield topic, partition, (group.committed or {})[topic, partition]
        for name, own_group in self._own_groups.items():
            if not own_group.claims or claims is None:
                continue
            for (topic, partition), log in logs.items():
                if topic in own_group.topics:
                    position = position_of(None, claims.get((name, topic, partition)), first=log.start)
                    yield topic, partition, position if position is not None else log.start

    def _has_claims(self, group: str) -> bool:
        return group in self._own_groups and self._own_groups[group].claims


def _group_snapshot(description: Any, positions: Any) -> GroupSnapshot:
    owners = {}
    for member in description.members if description is not None else ():
        for tp in member.assignment.topic_partitions:
            owners[tp.topic, tp.partition] = f"{member.client_id} at {member.host.removeprefix('/')}"
    committed = None
    if positions is not None:
        # A negative offset stands for "no commit" (KIP-79), and some tools have taken it for a position (keda#5906).
        committed = {(tp.topic, tp.partition): tp.offset for tp in positions.topic_partitions if tp.offset >= 0}
    return GroupSnapshot(
        state=description.state.name.title().replace("_", "") if description is not None else "Unknown",
        members=len(description.members) if description is not None else 0,
        owners=owners,
        committed=committed,
    )


def _result(future: Future[Any], what: str, errors: list[str]) -> Any:
    try:
        return future.result(FUTURE_SECONDS)
    except (KafkaException, TimeoutError) as error:
        errors.append(f"{what}: {_text(error)}")
        return None


def _text(error: BaseException) -> str:
    first = error.args[0] if error.args else error
    return first.str() if hasattr(first, "str") else str(error) or type(error).__name__


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
