"""Every group's windows, from look to look: turns looks into reports. Pure, apart from what it remembers.

A group that Kafka no longer lists ends; so does a topic that was deleted, and one that was made anew begins afresh.
Where a look failed, the figures of the one before stand, marked unknown, with their age.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from consumers.lag.measure import Measured, measure, position_of
from consumers.lag.model import (
    Claimed,
    Flag,
    GroupLag,
    GroupSnapshot,
    LagReport,
    LagSnapshot,
    OwnGroup,
    PartitionLag,
    State,
    Verdict,
    worst,
)
from consumers.lag.window import Sample, Window

if TYPE_CHECKING:
    from collections.abc import Mapping

_ODD: Final = {
    Flag.RECORDS_LOST: "retention removed records before they were read",
    Flag.BEYOND_END: "its position is past the log's end: the topic was truncated or made anew",
}

Place = tuple[str, int]
"""Topic and partition."""


class _Track(msgspec.Struct):
    """What is remembered of one partition of a group."""

    topic_id: str
    window: Window
    latest: PartitionLag | None


class _Group(NamedTuple):
    name: str
    look: GroupSnapshot
    own: OwnGroup | None
    """None of a foreign group."""
    has_claims: bool
    """Whether PostgreSQL has its positions."""
    read_topics: frozenset[str]
    """The topics that a foreign group's members have partitions of; none while it rebalances. Others are abandoned (klag#92)."""

    @classmethod
    def of(cls, name: str, look: GroupSnapshot, own: OwnGroup | None) -> _Group:
        """Derive what holds for all of its partitions."""
        read = frozenset(topic for topic, _ in look.owners) if own is None else frozenset()
        return cls(name, look, own, own is not None and own.claims, read)


class _Position(NamedTuple):
    counts: int
    claimed: Claimed | None


class LagBook:
    """Reports of one cluster. `own_groups` has our groups by the name that Kafka has for them."""

    def __init__(self, own_groups: Mapping[str, OwnGroup]) -> None:
        self._own_groups = own_groups
        self._tracks: dict[str, dict[Place, _Track]] = {}
        self._groups: dict[str, GroupSnapshot] = {}
        self._reports: dict[str, GroupLag] = {}

    def report(self, look: LagSnapshot, look_seconds: float = 0.0) -> LagReport:
        """Take a look into the windows and return where every group stands; one not looked at stands as before."""
        if look.listed is None:  # nothing is known anew
            seen = self._groups
        else:
            seen = {name: GroupSnapshot(state="Absent") for name in self._own_groups.keys() - look.listed} | look.groups
            self._groups = {name: group for name, group in (self._groups | seen).items() if self._is_there(look, name)}
        groups = {
            name: self._group(look, _Group.of(name, group, self._own_groups.get(name)))
            if name in seen
            else self._reports[name]
            for name, group in sorted(self._groups.items())
        }
        self._reports = groups
        self._tracks = {name: tracks for name, tracks in self._tracks.items() if name in groups}
        return LagReport(
            at_ms=look.at_ms,
            up=look.listed is not None,
            groups=list(groups.values()),
            errors=look.errors,
            look_seconds=look_seconds,
        )

    def _is_there(self, look: LagSnapshot, name: str) -> bool:
        return name in self._own_groups or look.listed is None or name in look.listed

    def _group(self, look: LagSnapshot, group: _Group) -> GroupLag:
        tracks = self._tracks.setdefault(group.name, {})
        places = self._places(look, group, tracks)
        for vanished in tracks.keys() - places:
            del tracks[vanished]
        parts = [_partition(look, group, place, tracks) for place in sorted(places)]
        counted = [part for part in parts if Flag.ABANDONED not in part.flags]
        lags = [part.lag for part in counted if part.lag is not None]
        times = [part.time_lag_ms for part in counted if part.time_lag_ms is not None]
        return GroupLag(
            group=group.name,
            ours=group.own is not None,
            state=group.look.state,
            members=group.look.members,
            lag=sum(lags) if lags else None,
            time_lag_ms=max(times, default=None),
            verdict=worst([part.verdict for part in counted if part.verdict is not None]),
            unknown=sum(part.state is State.UNKNOWN for part in counted),
            partitions=parts,
        )

    def _places(self, look: LagSnapshot, group: _Group, tracks: Mapping[Place, _Track]) -> set[Place]:
        """Return what the group reads: where it has a position or a member, and all of a room's topics."""
        places = set(group.look.owners)
        if look.listed is None or group.look.committed is None:
            places |= tracks.keys()
        else:
            places |= group.look.committed.keys()
        if group.own is not None:
            places |= {place for place in look.logs if place[0] in group.own.topics}
            places |= {place for place in tracks if place[0] in group.own.topics}
        return places if look.listed is None else {place for place in places if place[0] in look.topic_ids}


def _partition(look: LagSnapshot, group: _Group, place: Place, tracks: dict[Place, _Track]) -> PartitionLag:
    log = look.logs.get(place)
    committed = group.look.committed
    if look.listed is None or log is None or committed is None or (group.has_claims and look.claimed is None):
        return _unknown(place, tracks.get(place))
    claimed = look.claimed.get((group.name, *place)) if look.claimed and group.has_claims else None
    position = position_of(committed.get(place), claimed, first=log.start if group.has_claims else None)
    topic_id = look.topic_ids[place[0]]
    track = tracks.get(place)
    if track is None or track.topic_id != topic_id or position is None:
        track = tracks[place] = _Track(topic_id, Window(), None)
    if position is None:
        track.latest = PartitionLag(
            topic=place[0],
            partition=place[1],
            state=State.NO_COMMIT,
            as_of_ms=look.at_ms,
            log_start=log.start,
            log_end=log.end,
            owner=group.look.owners.get(place),
        )
    else:
        track.latest = _judged(look, group, place, _Position(position, claimed), track.window)
    return track.latest


def _unknown(place: Place, track: _Track | None) -> PartitionLag:
    """Return the figures of the latest look that brought any, marked; never 0, never left out."""
    if track is None or track.latest is None:
        return PartitionLag(topic=place[0], partition=place[1], state=State.UNKNOWN, as_of_ms=None)
    return msgspec.structs.replace(track.latest, state=State.UNKNOWN, verdict=None, why="", owner=None)


def _judged(look: LagSnapshot, group: _Group, place: Place, at: _Position, window: Window) -> PartitionLag:
    """Measure a partition with a position, put it into its window and judge that."""
    topic, partition = place
    position, claimed = at
    log = look.logs[place]
    measured = measure(log, position, look.waiting.get((topic, partition, max(position, log.start))), look.at_ms)
    owner = group.look.owners.get(place)
    window.add(
        Sample(
            look.at_ms,
            position,
            log.end,
            measured.lag,
            measured.waits,
            look.at_ms - measured.time_lag_ms if measured.waits and measured.time_lag_ms is not None else None,
            owner is not None,
            ((claimed.moved_at_ms if claimed is not None else None) or 0) if group.has_claims else None,
            claimed is not None and claimed.paused != "",
        )
    )
    rates = window.rates()
    verdict, why, flags = _verdict(group, topic, measured, window, claimed)
    gain = rates.passed - rates.written if rates is not None else 0.0
    return PartitionLag(
        topic=topic,
        partition=partition,
        state=State.MEASURED,
        as_of_ms=look.at_ms,
        log_start=log.start,
        log_end=log.end,
        committed=(group.look.committed or {}).get(place),
        decided=claimed.position if claimed is not None else None,
        lag=measured.lag,
        time_lag_ms=measured.time_lag_ms,
        in_per_second=rates.written if rates is not None else None,
        out_per_second=rates.passed if rates is not None else None,
        catch_up_seconds=0.0 if not measured.lag else measured.lag / gain if gain > 0 else None,
        verdict=verdict,
        why=why,
        flags=flags,
        owner=owner,
    )


def _verdict(
    group: _Group, topic: str, measured: Measured, window: Window, claimed: Claimed | None
) -> tuple[Verdict | None, str, tuple[Flag, ...]]:
    flags = measured.flags
    if group.has_claims and claimed is None:
        flags = (*flags, Flag.UNCLAIMED)
    if group.read_topics and topic not in group.read_topics:
        return None, "nobody in the group reads this topic any more", (*flags, Flag.ABANDONED)
    if claimed is not None and claimed.paused:
        return Verdict.PAUSED, claimed.paused, flags
    verdict, why = window.verdict()
    if flags and verdict is Verdict.OK and (odd := next((_ODD[flag] for flag in flags if flag in _ODD), None)):
        return Verdict.WARN, odd, flags
    return verdict, why, flags
