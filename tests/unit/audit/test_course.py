"""What a room has read in which order, across the moment when intake took order.commands over."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.runtime.deciding.decision import CLOCK_STEP_MS, NO_STEP_MS
from infra.base.rooms import replayed_rooms
from infra.ops.audit.checks.positions import check_ranges
from infra.ops.audit.course import Course, TakenOver, course_of, decided_of, sources_of
from infra.ops.audit.report import Tally
from infra.ops.log import Range
from topology.topics import EARLIER_SOURCES, ORDER_COMMANDS, ORDER_EVENTS

ROOMS: dict[str, Any] = {room.name: room for room in replayed_rooms()}
TAKEN_OVER = {
    ("orders", 0): TakenOver(9, 1),
    ("payments", 0): TakenOver(7, 1),
    ("fulfilment", 0): TakenOver(8, 1),
    ("orders", 1): TakenOver(4, 1),
}
NOTED = [Range(0, 0, 30), Range(1, 0, 9), Range(0, 30, 70)]


def test_a_room_that_had_two_topics_reads_them_as_it_noted_and_its_log_alone_from_there_on() -> None:
    course = course_of(ROOMS["orders"], 0, 100, NOTED, TAKEN_OVER)
    assert course.sources == EARLIER_SOURCES["orders"] == (ORDER_EVENTS, ORDER_COMMANDS)
    assert course.ranges == [*NOTED, Range(0, 70, 100)]
    assert decided_of(ROOMS["orders"], 0, 100, TAKEN_OVER) == [100, 9]
    assert course_of(ROOMS["orders"], 0, 70, NOTED, TAKEN_OVER).ranges == NOTED


def test_clocks_are_followed_back_only_where_there_is_one_topic() -> None:
    course = course_of(ROOMS["orders"], 0, 100, NOTED, TAKEN_OVER)
    assert [course.step_ms(0, 69), course.step_ms(1, 8), course.step_ms(0, 70)] == [
        NO_STEP_MS,
        NO_STEP_MS,
        CLOCK_STEP_MS,
    ]
    assert Course((ORDER_EVENTS,)).step_ms(0, 0) == CLOCK_STEP_MS


@pytest.mark.parametrize(("partition", "begins"), [(0, TakenOver(7, 1)), (1, TakenOver(0, 0)), (2, TakenOver(0, 0))])
def test_intake_begins_where_the_room_furthest_behind_stood_and_at_the_beginning_where_one_had_not_begun(
    partition: int, begins: TakenOver
) -> None:
    course = course_of(ROOMS["intake"], partition, 20, [], TAKEN_OVER)
    assert course == Course((ORDER_COMMANDS,), [Range(0, begins.next_offset, 20)], rules_version=begins.rules_version)


@pytest.mark.parametrize("room", ["inventory", "notifications", "orders"])
def test_a_room_that_has_always_had_one_topic_reads_it_from_its_beginning(room: str) -> None:
    assert sources_of(ROOMS[room], 5, TAKEN_OVER) == (ROOMS[room].source,)
    assert course_of(ROOMS[room], 5, 20, [], TAKEN_OVER).ranges == [Range(0, 0, 20)]


@pytest.mark.parametrize(
    ("noted", "is_sound"),
    [(NOTED, True), ([*NOTED, NOTED[1]], False), (NOTED[:2], True), ([NOTED[0], NOTED[2]], False)],
)
def test_ranges_that_overlap_or_stop_short_of_where_order_commands_was_left_are_found(
    noted: list[Range], is_sound: bool
) -> None:
    tally = Tally("no_position_decided_twice")
    course = course_of(ROOMS["orders"], 0, 100, noted, TAKEN_OVER)
    check_ranges("orders/0", course.ranges, decided_of(ROOMS["orders"], 0, 100, TAKEN_OVER), tally)
    assert (tally.breaches == 0) is is_sound
