"""Who owns which partitions, as Kafka's consumer groups have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError

from consumers.runtime.kafka.assignor import is_room
from consumers.runtime.kafka.group import describe_group
from infra.ops.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.runtime.kafka.group import GroupMember

    Owners = dict[tuple[str, int], GroupMember]
    """Topic (as Kafka names it) and partition -> the member that it is assigned to."""


async def owners_by_group(bootstrap: str, groups: Sequence[str]) -> dict[str, Owners]:
    """Return who owns what in each group; nobody does in one that is empty or rebalances. Raises UnreadableError."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    owners: dict[str, Owners] = {group: {} for group in groups}
    try:
        await client.start()
        for group in groups:
            described = await describe_group(client._client, group)  # noqa: SLF001
            owners[group] = {partition: member for member in described.members for partition in member.partitions}
    except GroupCoordinatorNotAvailableError:
        return owners  # of a cluster where nobody has ever been in any group
    except KafkaError as error:
        raise UnreadableError(f"Kafka at {bootstrap} does not describe its consumer groups: {error}") from error
    finally:
        await client.close()
    return owners


async def strangers_in(bootstrap: str, groups: Sequence[str]) -> dict[str, list[str]]:
    """Return the members of each group that are no rooms, in words. Raises UnreadableError."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    strangers: dict[str, list[str]] = {}
    try:
        await client.start()
        for group in groups:
            described = await describe_group(client._client, group)  # noqa: SLF001
            strangers[group] = [str(member) for member in described.members if not is_room(member.metadata)]
    except GroupCoordinatorNotAvailableError:
        return {}  # of a cluster where nobody has ever been in any group
    except KafkaError as error:
        raise UnreadableError(f"Kafka at {bootstrap} does not describe its consumer groups: {error}") from error
    finally:
        await client.close()
    return strangers
