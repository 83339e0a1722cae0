"""Who is in a room's consumer group: a stranger among its members may be given partitions, and decides nothing about them.

A stranger is whoever joined the group without being a room: a console consumer, a copied configuration. As leader of the
group it shares partitions out as it likes, and where it brought another assignor no room can join at all. So strangers
are named, with what they hold, and as long as they hold something the room is not ready.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog
from aiokafka.client import CoordinationType
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka import AIOKafkaConsumer

    from consumers.runtime.lifecycle import ProcessLifecycle
    from producers.outage import Readiness

log = structlog.get_logger()

LOOK_AGAIN_SECONDS: Final = 1.0
OBSTACLE: Final = "consumer group"


class GroupMember(NamedTuple):
    """One member as Kafka knows it, with the metadata by which it joined; `partitions` are those that it was given."""

    member_id: str
    client_id: str
    host: str
    metadata: bytes
    partitions: tuple[tuple[str, int], ...]

    @property
    def holds(self) -> list[str]:
        """Its partitions as people write them: `topic/number`."""
        return [f"{topic}/{number}" for topic, number in self.partitions]

    def __str__(self) -> str:
        holds = ", ".join(self.holds) or "nothing"
        return f"member {self.member_id} (client id {self.client_id}, host {self.host}) holds {holds}"


class Group(NamedTuple):
    """A consumer group as its coordinator describes it; `protocol` is the assignor's name, empty where nobody is in it."""

    state: str
    protocol: str
    members: tuple[GroupMember, ...]


async def describe_group(client: Any, group_id: str) -> Group:
    """Ask a group's coordinator through an AIOKafkaClient that is connected. Raises KafkaError."""
    coordinator = await client.coordinator_lookup(CoordinationType.GROUP, group_id)
    response = await client.send(coordinator, DescribeGroupsRequest([group_id]))
    code, _, state, _, protocol, members, *_ = response.groups[0]
    if code:
        raise for_code(code)(f"group {group_id}")
    return Group(state, protocol or "", tuple(_member(*member) for member in members))


def _member(member_id: str, client_id: str, host: str, metadata: bytes | None, assigned: bytes | None) -> GroupMember:
    partitions: tuple[tuple[str, int], ...] = ()
    if assigned:
        assignment = ConsumerProtocolMemberAssignment.decode(assigned).assignment
        partitions = tuple((topic, number) for topic, numbers in assignment for number in numbers)
    return GroupMember(member_id, client_id, host.removeprefix("/"), metadata or b"", partitions)


class GroupWatch:
    """Names the strangers in one room's group. `is_ours` judges a member by its request to join."""

    def __init__(
        self, room: str, group_id: str, protocol: str, is_ours: Callable[[GroupMember], bool], readiness: Readiness
    ) -> None:
        self._room = room
        self._group_id = group_id
        self._protocol = protocol
        self._is_ours = is_ours
        self._readiness = readiness
        self._changed = asyncio.Event()
        self._named: set[str] = set()

    def assigned(self) -> None:
        """The group was shared out anew, so its members may be others."""
        self._changed.set()

    async def until_joinable(self, consumer: AIOKafkaConsumer, lifecycle: ProcessLifecycle) -> None:
        """Wait while members with another assignor keep us out; whoever waits is not ready."""
        while lifecycle.running:
            group = await self._described(consumer)
            if not group.members or group.protocol in {"", self._protocol}:
                self._readiness.cleared(OBSTACLE)
                return
            self._name(group, f"with the assignor {group.protocol}, so no room can join")
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def watch(self, consumer: AIOKafkaConsumer) -> None:
        """Look at the members after each time that the group was shared out, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            group = await self._described(consumer)
            if group.state == "Stable":
                self._name(group, "")
            else:
                self._changed.set()  # it is being shared out still: until then nobody's metadata is there
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _described(self, consumer: AIOKafkaConsumer) -> Group:
        """Describe the group; where its coordinator is not there, as one without members."""
        try:
            return await describe_group(consumer._client, self._group_id)  # noqa: SLF001
        except KafkaError as error:
            log.info("group_not_described", room=self._room, error=repr(error))
            return Group("", "", ())

    def _name(self, group: Group, how: str) -> None:
        strangers = [member for member in group.members if how or not self._is_ours(member)]
        for member in strangers:
            if member.member_id not in self._named:
                log.warning(
                    "stranger_in_group",
                    room=self._room,
                    group=self._group_id,
                    member=member.member_id,
                    client_id=member.client_id,
                    host=member.host,
                    assignor=group.protocol,
                    partitions=member.holds,
                )
        self._named = {member.member_id for member in strangers}
        harmful = [member for member in strangers if how or member.partitions]
        if harmful:
            named = "; ".join(map(str, harmful))
            self._readiness.blocked(OBSTACLE, f"strangers are in group {self._group_id} {how}: {named}. Stop them.")
        else:
            self._readiness.cleared(OBSTACLE)
