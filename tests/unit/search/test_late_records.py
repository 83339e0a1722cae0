"""An owner that was paused may deliver old records after its successor's: what they carry is over."""

from __future__ import annotations

from consumers.following.follower import Followed
from consumers.pages.reader import PageReader
from consumers.search.node import SearchNode
from schemas import messages as m
from schemas.search import SearchQuery
from tests.unit.search.shelf import NOW, product

MUG = product("MUG", "Red Mug")
SOLD_OUT = m.StockLevel("MUG", 0, 0, 0, 0, NOW, generation=2, partition=0, offset=9)
OLD = m.StockLevel("MUG", 3, 0, 0, 3, NOW, generation=1, partition=0, offset=70)


def level(offset: int, message: m.StockLevel | None, event_id: str = "") -> Followed:
    return Followed("stock.levels", 0, offset, "MUG", message, NOW, event_id)


def shown(*levels: Followed) -> tuple[int, int | None]:
    """Return how many products search has in stock, and how many units a page shows."""
    node, reader = SearchNode("nowhere:1", "", "GBP"), PageReader("", [])
    node.also_apply = reader.apply
    node.apply([Followed("catalogue.products", 0, 0, "MUG", MUG, NOW)])
    node.index.commit(NOW)
    node.apply(list(levels))
    assert node.search(SearchQuery()).position["stock.levels"] == {0: levels[-1].offset + 1}
    return node.search(SearchQuery()).in_stock, reader.levels_of(MUG)["MUG"].available


def test_an_old_level_that_comes_late_changes_nothing() -> None:
    assert shown(level(0, SOLD_OUT), level(1, OLD)) == (0, 0)
    assert shown(level(0, OLD), level(1, SOLD_OUT)) == (0, 0)
    assert shown(level(0, OLD)) == (1, 3)


def test_an_old_level_does_not_bring_a_retired_sku_back() -> None:
    assert shown(level(0, OLD), level(1, None, "stock.levels/2/0/9"), level(2, OLD))[0] == 0


def test_levels_without_a_version_count_in_their_order() -> None:
    few, none = (m.StockLevel("MUG", units, 0, 0, units, NOW) for units in (3, 0))
    assert shown(level(0, few), level(1, none)) == (0, 0)
    assert shown(level(0, none), level(1, few)) == (1, 3)
