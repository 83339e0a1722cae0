"""Rooms that share a reader are one consumer group, and are shown one by one."""

from __future__ import annotations

from consumers.lag.hosted import with_hosted_rooms
from consumers.lag.model import GroupSnapshot, OwnGroup

EVENTS, COMMANDS = "order.events", "order.commands"


def own_groups(namespace: str) -> dict[str, OwnGroup]:
    both = frozenset({namespace + EVENTS, namespace + COMMANDS})
    return {
        f"{namespace}orders": OwnGroup(topics=both, claims=True),
        f"{namespace}payments": OwnGroup(topics=both, claims=True),
        f"{namespace}notifications": OwnGroup(topics=frozenset({namespace + EVENTS}), claims=True),
    }


def test_a_host_stands_for_each_of_its_rooms_with_the_topics_that_the_room_reads() -> None:
    for namespace in ("", "test.", "orders."):
        places = {(namespace + EVENTS, 0): 7, (namespace + COMMANDS, 0): 3}
        owners = dict.fromkeys(places, "host-1")
        host = GroupSnapshot(state="Stable", members=1, owners=owners, committed=places)
        stranger = GroupSnapshot(state="Empty")
        known = own_groups(namespace)
        groups = with_hosted_rooms({f"{namespace}orders+payments+notifications": host, "a+b": stranger}, known)
        assert groups == {
            f"{namespace}orders": host,
            f"{namespace}payments": host,
            f"{namespace}notifications": GroupSnapshot(
                state="Stable",
                members=1,
                owners={(namespace + EVENTS, 0): "host-1"},
                committed={(namespace + EVENTS, 0): 7},
            ),
            "a+b": stranger,
        }


def test_a_group_that_the_host_has_taken_the_place_of_is_shown_as_the_host() -> None:
    host = GroupSnapshot(state="Stable", members=2, committed={(EVENTS, 0): 9})
    left = GroupSnapshot(state="Empty", committed={(EVENTS, 0): 4})
    alone = GroupSnapshot(state="Stable", members=1, committed={(EVENTS, 0): 5})
    groups = with_hosted_rooms({"orders": left, "payments": alone, "orders+payments": host}, own_groups(""))
    assert groups == {"orders": host, "payments": alone}
