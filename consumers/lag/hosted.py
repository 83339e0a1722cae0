"""Rooms that share a reader are one consumer group, named after all of them; their lag is shown room by room all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consumers.lag.model import GroupSnapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consumers.lag.model import OwnGroup

SEPARATOR: Final = "+"


def with_hosted_rooms(
    groups: Mapping[str, GroupSnapshot], own_groups: Mapping[str, OwnGroup]
) -> dict[str, GroupSnapshot]:
    """Put the groups of the rooms in the place of each group that hosts them, with its members and positions.

    A room that runs alone as well keeps what it is: then the two fence each other, and both are to be seen.
    """
    listed = {name: group for name, group in groups.items() if not is_host(name, own_groups)}
    for name in groups.keys() - listed.keys():
        for room in _rooms_in(name, own_groups):
            if room not in listed or not listed[room].members:
                listed[room] = _of(groups[name], own_groups[room])
    return listed


def is_host(name: str, own_groups: Mapping[str, OwnGroup]) -> bool:
    """Tell whether a group is that of several of our rooms."""
    return any(_rooms_in(name, own_groups))


def _rooms_in(name: str, own_groups: Mapping[str, OwnGroup]) -> Iterator[str]:
    """Yield our groups that a group stands for: of `ns.orders+payments` those are `ns.orders` and `ns.payments`."""
    first, *others = name.split(SEPARATOR)
    if first not in own_groups or not others:
        return
    namespace = next((each.removesuffix(others[0]) for each in own_groups if _fits(each, first, others[0])), None)
    if namespace is not None:
        yield from (room for room in (first, *(namespace + other for other in others)) if room in own_groups)


def _fits(group: str, first: str, other: str) -> bool:
    return group.endswith(other) and first.startswith(group.removesuffix(other))


def _of(host: GroupSnapshot, room: OwnGroup) -> GroupSnapshot:
    committed = host.committed
    return GroupSnapshot(
        state=host.state,
        members=host.members,
        owners={place: owner for place, owner in host.owners.items() if place[0] in room.topics},
        committed=None
        if committed is None
        else {place: at for place, at in committed.items() if place[0] in room.topics},
    )
