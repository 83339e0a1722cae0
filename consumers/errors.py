"""What can go wrong for those who react."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.messages import Message

MAX_DETAIL: Final = 1_000
"""Characters of a detail: it may repeat foreign bytes, and a dead letter must fit its topic."""


class ConsumerError(Exception):
    """Base of all errors of this package."""


class RefusedError(ConsumerError):
    """A message cannot be decided as it is; the record goes to dead.letters, whole, with `reason` and the detail."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail[:MAX_DETAIL]
        super().__init__(f"{reason}: {self.detail}")


class NotDecidedError(RefusedError):
    """An event was not decided by the room whose events such are; `message` is what it says, to whom that may concern.

    Raised by nobody: it stands in the place of the message (consumers/runtime/origins).
    """

    REASON: Final = "not_decided_by_its_room"

    def __init__(self, message: Message, detail: str) -> None:
        self.message = message
        super().__init__(self.REASON, detail)


class IncompleteTableError(ConsumerError):
    """A room's table of transitions does not name every message that the room accepts, or names others."""

    def __init__(self, room: str, state: str, messages: set[str]) -> None:
        names = ", ".join(sorted(messages))
        where = f", state {state}" if state else ""
        super().__init__(
            f"consumers/{room}/transitions.py{where}: {names} stands only there or only in topology/saga.py."
        )


class FencedError(ConsumerError):
    """Another process owns this partition now; it goes on from our last committed position, nothing is lost."""

    def __init__(self, rooms: str, partitions: list[int]) -> None:
        super().__init__(f"{rooms} partitions {partitions} belong to another process now; giving them up.")
        self.partitions = partitions


class NeedsPersonError(ConsumerError):
    """Base of what no restart heals: the process ends with exit status 78, and its message says what to do."""


class UnknownRulesError(NeedsPersonError):
    """A partition is decided by later rules than this process knows: it must not decide there, a newer release must."""

    def __init__(self, room: str, partition: int, version: int, newest: int) -> None:
        super().__init__(
            f"{room} partition {partition} is decided by version {version} of the rules, and this release knows {newest} at "
            "most. Run a release that knows it; `lastunit rules show` lists what is in force."
        )


class CannotShareReaderError(NeedsPersonError):
    """Rooms that read no log together cannot share a reader."""

    def __init__(self, room: str, others: Sequence[str]) -> None:
        super().__init__(
            f"{room} cannot share a reader with {', '.join(others)}: it reads another log. Run it as a process of its own: "
            f"`lastunit room {room}`."
        )


class OtherGroupError(NeedsPersonError):
    """A room runs here and, with other rooms beside it, elsewhere: the two would take its partitions from each other for ever."""

    def __init__(self, room: str, partition: int, *, group: str, other: str) -> None:
        super().__init__(
            f"{room} partition {partition} was claimed by consumer group {other}, and this process is of group {group}. Rooms "
            "that share a reader form one group, each of them alone another. Run a room in one way everywhere: stop the "
            "processes of one of the two groups, then start this one again."
        )


class OtherLogError(NeedsPersonError):
    """The topic is not the one that was decided: its positions mean nothing here, and nothing was changed."""

    def __init__(self, room: str, partition: int, *, stored: Sequence[Any], actual: Sequence[Any]) -> None:
        super().__init__(
            f"{room} has decided partition {partition} of another log: cluster {stored[0]}, topic id {stored[1]}; this is "
            f"cluster {actual[0]}, topic id {actual[1]}. Name the right cluster (LASTUNIT_KAFKA_BOOTSTRAP). If the cluster was "
            "moved or mirrored with all its records, run `lastunit topology rebase`. If the topic was deleted and made again, restore it, or begin with an empty database as well."
        )


class LogGapError(NeedsPersonError):
    """The topic does not hold the records at the position that the database names; deciding on would break the audit."""

    def __init__(self, room: str, topic: str, partition: int, *, offset: int, first: int, end: int) -> None:
        what = (
            "retention removed records before they were decided: raise it and restore them from a replica or an archive"
            if offset < first
            else "the topic is shorter than what was decided: it was truncated or made anew; restore it, or begin with "
            "an empty database as well"
        )
        super().__init__(
            f"{room} stands at offset {offset} of {topic}/{partition}, which holds {first} to {end}; {what}."
        )

    @classmethod
    def unreadable(cls, room: str, error: Exception) -> LogGapError:
        """Build the error for a position that Kafka refused while reading."""
        gap = cls.__new__(cls)
        Exception.__init__(gap, f"{room}: {error!r}; records were removed before they were decided.")
        return gap


class CorruptLogError(ConsumerError):
    """The broker serves a batch that is not what was appended: its disk or the way from it is at fault, no producer.

    Skipping it would lose records that the broker acknowledged, so nothing is decided beyond it.
    """

    def __init__(self, topic: str, partition: int, offset: int, why: str) -> None:
        super().__init__(
            f"{topic}/{partition} cannot be read from offset {offset} on: {why}. Let another replica lead the partition, "
            "or restore its log; nothing was skipped."
        )


class OwnerStoppedError(ConsumerError):
    """The partition owner met something it must not decide around; the process has to start afresh."""


class NotContiguousError(OwnerStoppedError):
    """Records would be skipped, or decided twice: what is to be decided does not begin where the claim stands.

    No input of ours or of a stranger leads here, only a fault of the runtime. Nothing of it was decided.
    """

    def __init__(self, room: str, topic: str, partition: int, *, first: int, position: int) -> None:
        super().__init__(
            f"{room} has decided {topic}/{partition} up to offset {position} and was about to go on at {first}; stopping, "
            "so that the next owner reads on from the position in the database. Please report this."
        )


class EvolveFailedError(OwnerStoppedError):
    """A room's state could not be changed by what it had decided, and may hold half of the change.

    Nothing of the batch is committed; the record stays where it is. It is a fault of the room, which a new release mends.
    """

    def __init__(self, room: str, message: str, error: str) -> None:
        super().__init__(
            f"{room} failed while it applied its decision about {message}: {error}. Stopping with nothing committed; the "
            "partition waits at this record until a release mends it. Please report this."
        )


class StuckError(OwnerStoppedError):
    """There is lag, and the position has not moved for `seconds`."""

    def __init__(self, room: str, seconds: float) -> None:
        super().__init__(f"{room}: records wait, but nothing was decided for {seconds:.0f} s; leaving to be restarted.")
