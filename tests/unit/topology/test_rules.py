"""Versions of the decision rules: which topics carry them, and that they stand alone among what is decided."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.runtime.deciding.batch import (
    DecodedSlice,
    accepted_by,
    adopted_rules,
    decode_records,
    messages_in,
    steps,
)
from consumers.runtime.deciding.partitioning import Partitioning
from consumers.runtime.deciding.record import Reading
from consumers.runtime.room import Room
from infra.base.rooms import replayed_rooms
from schemas.codec.wire import encode
from schemas.messages import AdoptRules
from tests.given_when_then import ReceiveStock
from tests.samples import samples
from tests.unit.runtime.records import ARecord
from topology.rules import NEWEST, VERSIONED
from topology.topics import ADDRESSED_TO_A_PARTITION, TOPIC_NAMES, key_of, log_read_by


def test_every_log_that_is_decided_can_say_by_which_rules() -> None:
    for room in replayed_rooms():
        assert log_read_by(room.name) in VERSIONED, room.name


def test_an_adoption_is_addressed_to_a_partition_of_a_topic_by_name() -> None:
    assert AdoptRules in ADDRESSED_TO_A_PARTITION
    assert AdoptRules not in TOPIC_NAMES
    assert key_of(AdoptRules(NEWEST)) is None


@pytest.mark.parametrize("room", replayed_rooms(), ids=lambda room: room.name)
def test_every_room_reads_it(room: Room[Any]) -> None:
    record = ARecord(3, 7, 1, None, encode(AdoptRules(NEWEST)))
    assert decode_records(accepted_by(room), [record], Partitioning(12)) == [(record, AdoptRules(NEWEST))]


@settings(max_examples=samples(200), deadline=None, derandomize=True)
@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_an_adoption_is_decided_alone_after_what_is_before_it_and_no_room_loads_anything_for_it(
    adoptions: list[bool],
) -> None:
    readings: list[Reading] = [
        (ARecord(0, n, 0, None, None), AdoptRules(1) if adopts else ReceiveStock())
        for n, adopts in enumerate(adoptions)
    ]
    cut = steps([DecodedSlice(0, 0, len(readings), readings)], lambda _: False)
    for step in cut:
        adopted = [adopted_rules(each) is not None for each in step.slices]
        assert step.barrier is any(adopted)
        assert not any(adopted) or [len(each.readings) for each in step.slices] == [1]
        assert len(messages_in(step.slices)) == sum(len(each.readings) for each in step.slices) - sum(adopted)
    assert [reading for step in cut for each in step.slices for reading in each.readings] == readings
