"""Who owns which partitions, as Kafka's consumer groups have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from infra.ops.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Member(NamedTuple):
    """One process in a consumer group, as it named itself, and where it runs."""

    client_id: str
    host: str

    def __str__(self) -> str:
        return f"{self.client_id} at {self.host}"


Owners = dict[tuple[str, int], Member]
"""Topic (as Kafka names it) and partition -> the member that it is assigned to."""


async def owners_by_group(bootstrap: str, groups: Sequence[str]) -> dict[str, Owners]:
    """Return who owns what in each group; nobody does in one that is empty or rebalances. Raises UnreadableError."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await client.start()
        # One by one: aiokafka 0.14 cannot read an answer about several groups.
        answers = [answer for group in groups for answer in await client.describe_consumer_groups([group])]
    except GroupCoordinatorNotAvailableError:  # of a cluster where nobody has ever been in any group
        answers = []
    except KafkaError as error:
        raise UnreadableError(f"Kafka at {bootstrap} does not describe its consumer groups: {error}") from error
    finally:
        await client.close()
    found: dict[str, Owners] = {group: {} for group in groups}
    for answer in answers:
        for _, group, _, _, _, members, *_ in answer.groups:
            found[group] = _owners(members)
    return found


def _owners(members: Sequence[Sequence[bytes | str]]) -> Owners:
    owners: Owners = {}
    for _, client_id, host, _, assignment, *_ in members:
        if assignment:
            member = Member(str(client_id), str(host).removeprefix("/"))
            for topic, partitions in ConsumerProtocolMemberAssignment.decode(assignment).assignment:
                owners.update(dict.fromkeys(((topic, partition) for partition in partitions), member))
    return owners
