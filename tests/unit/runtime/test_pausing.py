"""What is paused, and where a reader goes back to when one of its rooms resumes."""

from __future__ import annotations

from consumers.runtime.claim import Claim, HostedPartition, least_offset
from consumers.runtime.pauses import Pauses


def claims(*offsets: int, paused: frozenset[int] = frozenset()) -> list[Claim[None]]:
    own_claims = [Claim(0, 1, offset, 0, 0, None) for offset in offsets]
    for place in paused:
        own_claims[place].is_paused = True
    return own_claims


def test_a_pause_covers_its_partition_or_its_whole_room() -> None:
    pauses = Pauses()
    assert not pauses.cover("orders", 0)
    assert pauses.replace([("orders", 3), ("payments", None)])
    assert [pauses.cover("orders", partition) for partition in (2, 3)] == [False, True]
    assert pauses.cover("payments", 0)
    assert pauses.cover("payments", 7)
    assert not pauses.cover("inventory", 3)


def test_only_another_set_of_pauses_is_a_change() -> None:
    pauses = Pauses()
    assert not pauses.replace([])
    assert pauses.replace([("orders", 3)])
    assert not pauses.replace([("orders", 3)])
    assert pauses.replace([])


def test_a_reader_goes_by_the_rooms_that_are_not_paused_while_there_are_any() -> None:
    assert least_offset(claims(9, 5, 8, 7)) == 5
    assert least_offset(claims(9, 5, 8, 7, paused=frozenset({1}))) == 7
    assert least_offset(claims(9, 5, 8, 7, paused=frozenset(range(4)))) == 5


def test_a_partition_is_not_read_only_where_all_its_rooms_are_paused() -> None:
    assert not HostedPartition(0, claims(1, 1, paused=frozenset({0})), 1).is_paused
    assert HostedPartition(0, claims(1, 1, paused=frozenset({0, 1})), 1).is_paused
