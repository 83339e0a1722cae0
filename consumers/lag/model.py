"""What a look at a cluster brings, and what is reported about it. Times are ms since the epoch, UTC; offsets are Kafka's."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """How a partition of a group is doing (the names are Burrow's); `worst` orders them."""

    OK = "OK"
    PAUSED = "PAUSED"
    """An operator has paused it; nothing is decided until it is resumed."""
    WARN = "WARN"
    """It moves, but its lag only grows; or its position cannot be right."""
    REWIND = "REWIND"
    """Its position went back within the window."""
    STALL = "STALL"
    """Records wait, somebody has the partition, and its position stands still."""
    STOP = "STOP"
    """Records wait, and nobody has the partition."""


_SEVERITY = {verdict: place for place, verdict in enumerate(Verdict)}


def worst(verdicts: list[Verdict]) -> Verdict | None:
    """Return the most severe verdict; None of none."""
    return max(verdicts, key=_SEVERITY.__getitem__, default=None)


class State(StrEnum):
    """Whether a partition's lag is known."""

    MEASURED = "measured"
    NO_COMMIT = "no_commit"
    """The group has never committed here: there is no lag, neither 0 nor the whole log."""
    UNKNOWN = "unknown"
    """The latest look failed; the figures are those of `as_of_ms`."""


class Flag(StrEnum):
    """What is odd about a partition's position."""

    BEYOND_END = "beyond_end"
    """Past the log's end: the log was truncated, or its topic made anew. The lag is clamped to 0."""
    RECORDS_LOST = "records_lost"
    """Before the log's start: retention removed records unread. The lag counts from the start."""
    ABANDONED = "abandoned"
    """The group is at work, but nobody in it reads this topic; its old position counts for nothing."""
    NOTHING_TO_READ = "nothing_to_read"
    """Only markers of transactions, or compacted offsets, lie between the position and the end."""
    OPEN_TRANSACTION = "open_transaction"
    """All that is committed was read; what waits belongs to a transaction that is still open."""
    UNCLAIMED = "unclaimed"
    """No process of this room has ever claimed it. It begins at the log's start, so the lag counts from there."""
    CLOCKS_DIFFER = "clocks_differ"
    """The first waiting record is from the future by more than a second. Its time lag is clamped to 0."""


class OwnGroup(msgspec.Struct, frozen=True):
    """A group of ours: the topics that it reads, as Kafka names them, and whether its positions are in PostgreSQL."""

    topics: frozenset[str]
    claims: bool = True


class LogRange(msgspec.Struct, frozen=True):
    """A partition's log: first offset, high watermark, and up to where transactions are decided (None: not asked)."""

    start: int
    end: int
    last_stable: int | None = None


class Claimed(msgspec.Struct, frozen=True):
    """A room's position in PostgreSQL, and when a batch last moved it (None: never).

    `paused` is who has paused it and why, "" where nobody has.
    """

    position: int
    moved_at_ms: int | None
    paused: str = ""


class Waiting(msgspec.Struct, frozen=True):
    """The first record at or after a position: its timestamp, or None where the log holds none."""

    at_ms: int | None


class GroupSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One group as Kafka describes it. `committed` is None where it could not be read, without entries for no commit."""

    state: str
    members: int = 0
    owners: dict[tuple[str, int], str] = {}
    committed: dict[tuple[str, int], int] | None = {}


class LagSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one look at the cluster brought, in the order in which it was read: positions first, then ends.

    `listed` names every group of the cluster, None where Kafka did not answer; `groups` has those that were looked at. A topic or partition that is not in `logs` could not be read, if
    `topic_ids` names the topic; else there is no such topic. `claimed` is None where PostgreSQL did not answer.
    """

    at_ms: int
    listed: frozenset[str] | None
    groups: dict[str, GroupSnapshot] = {}
    topic_ids: dict[str, str] = {}
    logs: dict[tuple[str, int], LogRange] = {}
    claimed: dict[tuple[str, str, int], Claimed] | None = {}
    waiting: dict[tuple[str, int, int], Waiting] = {}
    errors: list[str] = []


class PartitionLag(msgspec.Struct, frozen=True, kw_only=True):
    """One partition of one group.

    `committed` is Kafka's, `decided` PostgreSQL's position; the latter counts where there is one. `lag` is in offsets
    and None without a position; `time_lag_ms` is the age of the first waiting record, 0 where none waits, None where it
    could not be read. Rates are offsets a second; `catch_up_seconds` is None where it does not catch up.
    `as_of_ms` is when the figures were read, None if never.
    """

    topic: str
    partition: int
    state: State
    as_of_ms: int | None
    log_start: int | None = None
    log_end: int | None = None
    committed: int | None = None
    decided: int | None = None
    lag: int | None = None
    time_lag_ms: int | None = None
    in_per_second: float | None = None
    out_per_second: float | None = None
    catch_up_seconds: float | None = None
    verdict: Verdict | None = None
    why: str = ""
    flags: tuple[Flag, ...] = ()
    owner: str | None = None


class GroupLag(msgspec.Struct, frozen=True, kw_only=True):
    """One group. `lag` sums what is known, `time_lag_ms` is the largest; both leave abandoned topics out.

    `ours` distinguishes a room's group from a foreign one.
    """

    group: str
    ours: bool
    state: str
    members: int
    lag: int | None
    time_lag_ms: int | None
    verdict: Verdict | None
    unknown: int
    partitions: list[PartitionLag]


class LagReport(msgspec.Struct, frozen=True, kw_only=True):
    """All groups as of `at_ms`. `up` is whether the cluster answered; `errors` name what did not."""

    at_ms: int
    up: bool
    groups: list[GroupLag]
    errors: list[str] = []
    look_seconds: float = 0.0

    @property
    def verdict(self) -> Verdict | None:
        """The worst of all groups."""
        return worst([group.verdict for group in self.groups if group.verdict is not None])
