"""Shares a group's partitions out so that as few as possible change hands: a partition stays where its claim is.

Members say which claims they hold, with the epochs, when they join; of two who claim one partition the higher epoch is
right, because PostgreSQL gave it later. aiokafka's own sticky assignor would not do: it keeps its state in its class,
which all owners of a process would share, and it does not keep partition i of several topics together.

Decision: docs/decisions, 008.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

log = structlog.get_logger()

PROTOCOL_VERSION: Final = 0


class Member(msgspec.Struct, frozen=True):
    """Who asks for partitions: its topics, and the epoch of each claim that it holds, by partition."""

    topics: frozenset[str]
    claims: dict[int, int] = {}


class UserData(msgspec.Struct, frozen=True):
    """What a member adds to its request to join, as msgpack; fields of later releases are ignored."""

    claims: dict[int, int]


def assign(
    partitions: Mapping[str, AbstractSet[int]], members: Mapping[str, Member]
) -> dict[str, dict[str, list[int]]]:
    """Return for each member its partitions of each topic.

    Topics with the same subscribers go together: partition i of all of them to one member. Topics that only some
    members know (a release is being rolled out) are shared out among those.
    """
    together: defaultdict[frozenset[str], list[str]] = defaultdict(list)
    for topic in sorted(partitions):
        if subscribers := frozenset(name for name, member in members.items() if topic in member.topics):
            together[subscribers].append(topic)
    assignment: dict[str, dict[str, list[int]]] = {name: {} for name in members}
    for subscribers, topics in together.items():
        numbers = {number for topic in topics for number in partitions[topic]}
        for name, own_numbers in share(numbers, {name: members[name].claims for name in subscribers}).items():
            for topic in topics:
                assignment[name][topic] = [number for number in own_numbers if number in partitions[topic]]
    return assignment


def share(partitions: Iterable[int], claims: Mapping[str, Mapping[int, int]]) -> dict[str, list[int]]:
    """Share partitions out evenly, to within one, so that the fewest leave the member that claims them.

    `claims` has each member's epochs by partition. The larger shares go to those who hold most, so whoever holds more
    than a share gives up only what is above it, and no partition moves between two who have room.
    """
    wanted = sorted(partitions)
    held = holdings(wanted, claims)
    least, larger = divmod(len(wanted), len(claims))
    by_holdings = sorted(claims, key=lambda name: (-len(held[name]), name))
    quota = {name: least + (rank < larger) for rank, name in enumerate(by_holdings)}
    shares = {name: held[name][: quota[name]] for name in sorted(claims)}
    kept = {partition for each in shares.values() for partition in each}
    free = (partition for partition in wanted if partition not in kept)
    return {name: sorted([*each, *islice(free, quota[name] - len(each))]) for name, each in shares.items()}


def holdings(partitions: Iterable[int], claims: Mapping[str, Mapping[int, int]]) -> dict[str, list[int]]:
    """Return which of these partitions each member holds: of several who claim one, the highest epoch does."""
    held: dict[str, list[int]] = {name: [] for name in claims}
    for partition in partitions:
        claimants = [name for name in claims if partition in claims[name]]
        if claimants:
            held[max(claimants, key=lambda name: (claims[name][partition], name))].append(partition)
    return held


class ClaimsAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka ships no types
    """One consumer's assignor; `claims` returns the epochs of the claims that it holds when it joins.

    `is_alone` tells whether the group had no other member when it was shared out last.

    It goes by Range's name in the group, so that members of an earlier release and of this one share a protocol and a
    group can be upgraded one by one. Offering both would not do: for a list of assignors aiokafka 0.14 sends a request
    to join after each of them, the first without the others.
    """

    name = "range"

    def __init__(self, claims: Callable[[], Mapping[int, int]]) -> None:
        self._claims = claims
        self.is_alone = False

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return the topics that are wanted and the claims that are held."""
        self.is_alone = False  # only the leader of a group shares it out
        user_data = msgspec.msgpack.encode(UserData(dict(self._claims())))
        return ConsumerProtocolMemberMetadata(PROTOCOL_VERSION, sorted(topics), user_data)

    def assign(
        self, cluster: Any, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Share out for the whole group, as its leader. A member that is no room gets nothing: it would decide nothing."""
        self.is_alone = len(members) == 1
        user_data = {name: user_data_in(member.user_data) for name, member in members.items()}
        asking = {
            name: Member(frozenset(members[name].subscription), data.claims)
            for name, data in user_data.items()
            if data is not None
        }
        if strangers := sorted(user_data.keys() - asking.keys()):
            log.warning("strangers_get_no_partitions", members=strangers)
        topics = {topic for member in asking.values() for topic in member.topics}
        known = {topic: cluster.partitions_for_topic(topic) or set() for topic in topics}
        shares = assign(known, asking)
        log.info("partitions_shared", members=len(asking), moved=_moved(shares, asking))
        return {
            name: ConsumerProtocolMemberAssignment(PROTOCOL_VERSION, sorted(shares.get(name, {}).items()), b"")
            for name in members
        }

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Do nothing: the claims hold what is owned."""


def user_data_in(user_data: bytes | None) -> UserData | None:
    """Return what a room adds to its request to join, or None for a member that is no room."""
    if not user_data:
        return None
    try:
        return msgspec.msgpack.decode(user_data, type=UserData)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def is_room(metadata: bytes) -> bool:
    """Tell whether a member is a room, by the metadata with which it joined."""
    try:
        return user_data_in(ConsumerProtocolMemberMetadata.decode(metadata).user_data) is not None
    except (ValueError, struct.error):
        return False


def _moved(shares: Mapping[str, Mapping[str, list[int]]], members: Mapping[str, Member]) -> int:
    """Count the partitions that leave a member which holds them."""
    held = holdings(
        {number for by_topic in shares.values() for numbers in by_topic.values() for number in numbers},
        {name: member.claims for name, member in members.items()},
    )
    gets = {name: {number for numbers in by_topic.values() for number in numbers} for name, by_topic in shares.items()}
    return sum(len(set(numbers) - gets[name]) for name, numbers in held.items())
