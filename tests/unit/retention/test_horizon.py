"""How old what is still to be decided may be."""

from __future__ import annotations

from infra.ops.retention.horizon import Position, floor_ms
from topology.topics import INVENTORY_COMMANDS, ORDER_EVENTS

NOW_MS = 1_795_392_000_000
ENDS = {INVENTORY_COMMANDS.name: [7, 0], ORDER_EVENTS.name: [9, 0]}
UP_TO_DATE = (
    Position("inventory", 0, 7, NOW_MS - 50),
    Position("orders", 0, 9, NOW_MS - 60),
    Position("payments", 0, 9, NOW_MS - 70),
    Position("fulfilment", 0, 9, NOW_MS - 65),
)


def test_where_nothing_waits_only_what_comes_now_can_be_undecided() -> None:
    assert floor_ms(UP_TO_DATE, ENDS, NOW_MS) == NOW_MS


def test_where_a_room_lags_what_waits_is_no_older_than_what_it_judged_last() -> None:
    lagging = Position("payments", 0, 8, NOW_MS - 5_000)
    assert floor_ms([*UP_TO_DATE[:2], lagging, *UP_TO_DATE[3:]], ENDS, NOW_MS) == NOW_MS - 5_000


def test_the_room_that_is_furthest_behind_counts() -> None:
    behind = [position._replace(next_offset=0) for position in UP_TO_DATE]
    assert floor_ms(behind, ENDS, NOW_MS) == NOW_MS - 70


def test_of_records_that_no_room_has_begun_with_nothing_is_known() -> None:
    assert floor_ms(UP_TO_DATE[1:], ENDS, NOW_MS) == 0


def test_a_clock_of_the_log_that_is_ahead_does_not_make_anything_older() -> None:
    ahead = UP_TO_DATE[0]._replace(at_ms=NOW_MS + 10**9, next_offset=6)
    assert floor_ms([ahead, *UP_TO_DATE[1:]], ENDS, NOW_MS) == NOW_MS
