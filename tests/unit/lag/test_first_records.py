"""Which positions are read first, where more groups wait in a partition than a look has time for."""

from __future__ import annotations

from consumers.lag.first_records import furthest_behind


def test_the_position_that_is_furthest_behind_in_each_partition_is_read_first() -> None:
    behind = [("t", 0, 9), ("t", 0, 5), ("t", 0, 7), ("t", 1, 3), ("u", 0, 1)]
    assert furthest_behind(behind) == [("t", 0, 5), ("t", 1, 3), ("u", 0, 1)]
    assert furthest_behind(reversed(behind)) == [("u", 0, 1), ("t", 1, 3), ("t", 0, 5)]
