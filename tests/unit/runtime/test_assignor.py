"""Who gets which partition: the pure part of the assignor, against its law and against all possibilities."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import msgspec
import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from consumers.runtime.kafka.assignor import (
    ClaimsAssignor,
    Member,
    UserData,
    assign,
    holdings,
    is_room,
    share,
    user_data_in,
)

Claims = dict[str, dict[int, int]]

NAMES = st.sampled_from([f"member-{letter}" for letter in "abcdefg"])
EPOCHS = st.dictionaries(st.integers(0, 15), st.integers(1, 5))


def claims_of(members: int, partitions: int) -> st.SearchStrategy[Claims]:
    numbers = st.integers(0, partitions + 1)
    return st.dictionaries(NAMES, st.dictionaries(numbers, st.integers(1, 5)), min_size=1, max_size=members)


def moves(shares: Mapping[str, list[int]], partitions: int, claims: Claims) -> int:
    held = holdings(range(partitions), claims)
    return sum(len(set(held[name]) - set(shares[name])) for name in claims)


@given(st.integers(0, 40), st.dictionaries(NAMES, st.dictionaries(st.integers(0, 45), st.integers(1, 9)), min_size=1))
def test_every_partition_goes_to_one_member_and_shares_differ_by_at_most_one(partitions: int, claims: Claims) -> None:
    shares = share(range(partitions), claims)
    assert shares.keys() == claims.keys()
    assert sorted(number for each in shares.values() for number in each) == list(range(partitions))
    sizes = [len(each) for each in shares.values()]
    assert max(sizes) - min(sizes) <= 1


@given(st.data(), st.integers(1, 6))
def test_no_even_sharing_moves_fewer(data: st.DataObject, partitions: int) -> None:
    claims = data.draw(claims_of(3, partitions))
    members = sorted(claims)
    fewest = partitions
    for owners in product(members, repeat=partitions):
        possible = {name: [number for number in range(partitions) if owners[number] == name] for name in members}
        sizes = [len(each) for each in possible.values()]
        if max(sizes) - min(sizes) <= 1:
            fewest = min(fewest, moves(possible, partitions, claims))
    assert moves(share(range(partitions), claims), partitions, claims) == fewest


@given(st.integers(0, 40), claims_of(7, 40), st.randoms(use_true_random=False))
def test_the_order_in_which_members_are_named_does_not_matter(partitions: int, claims: Claims, dice: object) -> None:
    names = list(claims)
    dice.shuffle(names)  # type: ignore[attr-defined]
    assert share(range(partitions), {name: claims[name] for name in names}) == share(range(partitions), claims)


@given(st.integers(0, 40), claims_of(7, 40))
def test_when_nobody_comes_or_goes_nothing_moves(partitions: int, claims: Claims) -> None:
    shares = share(range(partitions), claims)
    settled = {name: dict.fromkeys(each, 9) for name, each in shares.items()}
    assert share(range(partitions), settled) == shares


def test_a_fourth_member_gets_one_partition_of_each_of_three() -> None:
    three: Claims = {name: dict.fromkeys(range(first, first + 4), 1) for name, first in (("a", 0), ("b", 4), ("c", 8))}
    shares = share(range(12), {**three, "d": {}})
    assert [len(each) for each in shares.values()] == [3, 3, 3, 3]
    assert moves(shares, 12, {**three, "d": {}}) == 3


def test_of_two_who_claim_a_partition_the_later_epoch_holds_it() -> None:
    assert holdings([0], {"a": {0: 7}, "b": {0: 8}}) == {"a": [], "b": [0]}


TOPICS = st.sets(st.sampled_from(["orders", "commands", "events"]), min_size=1)


@given(
    st.dictionaries(NAMES, st.builds(Member, TOPICS.map(frozenset), EPOCHS), min_size=1),
    st.fixed_dictionaries({name: st.integers(0, 12) for name in ("orders", "commands", "events")}),
)
def test_topics_with_the_same_subscribers_stay_together_and_nobody_gets_a_topic_it_did_not_ask_for(
    members: dict[str, Member], sizes: dict[str, int]
) -> None:
    assigned = assign({topic: set(range(size)) for topic, size in sizes.items()}, members)
    subscribers = {topic: {name for name in members if topic in members[name].topics} for topic in sizes}
    owners: dict[tuple[str, int], str] = {}
    for name, partitions in assigned.items():
        assert partitions.keys() <= members[name].topics
        for topic, numbers in partitions.items():
            for number in numbers:
                assert owners.setdefault((topic, number), name) == name
    assert owners.keys() == {(topic, n) for topic, size in sizes.items() for n in range(size) if subscribers[topic]}
    for one, other in product(sizes, sizes):
        if subscribers[one] == subscribers[other]:
            both = range(min(sizes[one], sizes[other])) if subscribers[one] else ()
            assert all(owners[one, number] == owners[other, number] for number in both)


class Cluster(msgspec.Struct):
    """As much of aiokafka's ClusterMetadata as an assignor asks for."""

    sizes: dict[str, int]

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self.sizes[topic])) if topic in self.sizes else None


def claims_in(user_data: bytes | None) -> dict[int, int] | None:
    decoded = user_data_in(user_data)
    return None if decoded is None else decoded.claims


@given(st.binary())
def test_user_data_of_a_stranger_is_no_claim_and_no_failure(user_data: bytes) -> None:
    user_data_in(user_data)
    is_room(user_data)


def test_what_a_joining_member_sends_is_understood_by_the_leader_and_by_a_leader_of_the_earlier_release() -> None:
    claiming, claimless = ClaimsAssignor(lambda: {3: 7}), ClaimsAssignor(dict)
    assert claims_in(claiming.metadata(["t"]).user_data) == {3: 7}
    assert claims_in(claimless.metadata(["t"]).user_data) == {}
    assert claims_in(msgspec.msgpack.encode({"claims": {3: 7}, "later": "release"})) == {3: 7}
    assert is_room(claiming.metadata(["t"]).encode())
    cluster = Cluster({"t": 6})
    members = {"a": claimless.metadata(["t", "gone"]), "b": claiming.metadata(["t"])}
    assert claiming.name == RangePartitionAssignor.name
    assert 3 in dict(claiming.assign(cluster, members)["b"].assignment)["t"]
    given_by = RangePartitionAssignor.assign(cluster, members)
    assert sorted(n for each in given_by.values() for _, numbers in each.assignment for n in numbers) == list(range(6))


@pytest.mark.parametrize("user_data", [None, b"", b"\xff", msgspec.msgpack.encode(UserData({3: 7}))[:-1]])
def test_a_stranger_in_the_group_gets_no_partition(user_data: bytes | None) -> None:
    """With Range it got half of them, and decided nothing about the orders there."""
    room = ClaimsAssignor(dict)
    stranger = ConsumerProtocolMemberMetadata(0, ["t"], user_data)
    assert user_data_in(user_data) is None
    assert not is_room(stranger.encode())
    with capture_logs() as logs:
        shares = room.assign(Cluster({"t": 6}), {"room": room.metadata(["t"]), "stranger": stranger})
    assert dict(shares["room"].assignment) == {"t": list(range(6))}
    assert shares["stranger"].assignment == []
    assert [log["members"] for log in logs if log["event"] == "strangers_get_no_partitions"] == [["stranger"]]


def test_owners_of_two_groups_in_one_process_share_nothing() -> None:
    one, other = ClaimsAssignor(lambda: {0: 1}), ClaimsAssignor(lambda: {1: 2})
    assert claims_in(one.metadata(["t"]).user_data) == {0: 1}
    assert claims_in(other.metadata(["t"]).user_data) == {1: 2}


def test_only_the_leader_of_a_group_without_others_knows_that_it_is_alone() -> None:
    one, other = ClaimsAssignor(dict), ClaimsAssignor(dict)
    alone = [one.is_alone]
    one.assign(Cluster({"a": 2}), {"one": one.metadata(["a"])})
    alone.append(one.is_alone)
    joining = {"one": one.metadata(["a"]), "other": other.metadata(["a"])}
    alone.append(one.is_alone)  # the other one is about to share the group out
    one.assign(Cluster({"a": 2}), joining)
    assert [*alone, one.is_alone, other.is_alone] == [False, True, False, False, False]
