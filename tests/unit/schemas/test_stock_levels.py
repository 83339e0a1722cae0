from itertools import permutations

import pytest

from schemas.messages import StockLevel
from schemas.stock_levels import UNVERSIONED, LevelVersion, tombstone_id, version_of
from tests.harness.latest_levels import LatestLevels


def level(on_hand: int, generation: int = 1, offset: int = 0) -> StockLevel:
    return StockLevel("MUG", on_hand, 0, 0, on_hand, 0, 0, generation, 3, offset)


@pytest.mark.parametrize("order", list(permutations([level(1, 1, 7), level(2, 1, 9), level(3, 2, 4)])))
def test_the_latest_level_is_known_in_whatever_order_records_come(order: tuple[StockLevel, ...]) -> None:
    latest = LatestLevels()
    for each in order:
        latest.take(b"MUG", each)
    assert latest.levels == {b"MUG": level(3, 2, 4)}


def test_an_old_level_does_not_bring_a_retired_sku_back() -> None:
    latest = LatestLevels()
    assert latest.take(b"MUG", None, [("ce_id", tombstone_id(LevelVersion(1, 8), 3))])
    assert not latest.take(b"MUG", level(1, 1, 7))
    assert latest.levels == {b"MUG": None}
    assert latest.take(b"MUG", level(1, 1, 9)), "units came in again"


def test_a_level_that_is_restated_is_taken_again() -> None:
    latest = LatestLevels()
    assert latest.take(b"MUG", level(1, 1, 7))
    assert latest.take(b"MUG", level(1, 1, 7))
    assert latest.ignored == 0


def test_levels_from_before_versions_are_ordered_as_they_come_and_older_than_all_others() -> None:
    old = StockLevel("MUG", 5, 0, 0, 5, 0)
    assert version_of(old) == version_of(None, [("ce_id", b"something/else")]) == UNVERSIONED
    latest = LatestLevels()
    assert latest.take(b"MUG", old)
    assert latest.take(b"MUG", StockLevel("MUG", 6, 0, 0, 6, 0))
    assert latest.take(b"MUG", level(1, 1, 0))
    assert not latest.take(b"MUG", old)
