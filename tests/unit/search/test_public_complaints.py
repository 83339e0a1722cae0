"""What others' search engines and shops were blamed for, by the number of the issue (docs/guides/complaints.md)."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from consumers.following.follower import Followed
from consumers.search import node as node_module
from consumers.search.answering import search
from consumers.search.columns import WASTE
from consumers.search.index import SearchIndex
from consumers.search.node import PRODUCTS_A_COMMIT, SearchNode
from schemas.messages import Product, StockLevel
from schemas.search import SearchQuery
from tests.unit.search.shelf import NOW, product
from tests.unit.search.small_shop import ids_of_hits, shop, values

JACKET = product(
    "J",
    "Leather Jacket",
    variants={f"J-{colour}": {"colour": colour} for colour in ("brown", "black", "blue")},
    prices={"J-brown": 10_000, "J-black": 20_000, "J-blue": 20_000},
)
COLOURS = ["red"] * 5 + ["blue"] * 3 + ["green"] * 2


def put(*products: Product) -> list[Followed]:
    return [Followed("catalogue.products", 0, offset, one.product_id, one, NOW) for offset, one in enumerate(products)]


def node_of(*products: Product) -> SearchNode:
    """Return a node that has read these products and has still to make them visible."""
    node = SearchNode("nowhere:1", "", "GBP")
    node.apply(put(*products))
    return node


def test_meilisearch_1499_after_two_values_are_chosen_the_third_still_shows_what_a_click_adds() -> None:
    index = shop(*(product(f"P{n}", "bag", attributes={"colour": [one]}) for n, one in enumerate(COLOURS)))
    for chosen, total in ((("red",), 5), (("red", "blue"), 8)):
        answer = search(index, SearchQuery(filters={"colour": chosen}))
        assert answer.total == total
        assert values(answer, "colour") == {"red": 5, "blue": 3, "green": 2}


def test_meilisearch_3235_every_variant_counts_in_the_facets_though_the_product_is_one_hit() -> None:
    answer = search(shop(JACKET), SearchQuery(text="leather jacket"))
    assert answer.total == 1
    assert values(answer, "colour") == {"brown": 1, "black": 1, "blue": 1}


def test_meilisearch_4677_price_ranges_reach_to_the_dearest_variant_of_a_product_that_is_one_hit() -> None:
    answer = search(shop(JACKET), SearchQuery())
    low, high = answer.price_ranges[0], answer.price_ranges[-1]
    assert low.price_from <= 10_000 < low.price_to
    assert high.price_from <= 20_000 < high.price_to
    assert (low.count, high.count, answer.total) == (1, 1, 1)


def test_meilisearch_1098_a_flood_of_single_changes_leaves_no_backlog() -> None:
    likes = [product(f"P{n % 50}", f"mug {n}", version=n) for n in range(5_000)]
    node = node_of(*likes)
    node.apply([Followed("stock.levels", 0, n, f"P{n % 50}", StockLevel("", n, 0, 0, n, NOW)) for n in range(5_000)])
    assert node.index.pending == 50
    node.commit_some(NOW)
    assert node.index.pending == 0
    answer = node.search(SearchQuery(size=100))
    assert {hit.title for hit in answer.hits} == {f"mug {n}" for n in range(4_950, 5_000)}
    assert answer.position["stock.levels"] == {0: 5_000}


async def test_meilisearch_4206_searches_are_answered_between_the_parts_of_a_large_update() -> None:
    node = node_of(product("FIRST", "mug"))
    node._follower.caught_up.set()
    node.commit_some(NOW)
    node.apply(put(*(product(f"P{n}", "mug") for n in range(3 * PRODUCTS_A_COMMIT))))
    totals = []
    while node.index.pending:
        totals.append(node.search(SearchQuery(text="mug")).total)
        node.commit_some(NOW)
    assert totals == [1 + part * PRODUCTS_A_COMMIT for part in range(3)]
    assert node.search(SearchQuery(text="mug")).total == 1 + 3 * PRODUCTS_A_COMMIT


def test_typesense_914_one_query_counts_every_chosen_facet_without_its_own_filter() -> None:
    names = [f"facet {n}" for n in range(20)]
    products = [
        product(f"P{n}", "bag", attributes={name: [str((n + at) % 2)] for at, name in enumerate(names)})
        for n in range(6)
    ]
    index = shop(*products)
    chosen: dict[str, tuple[str, ...]] = {name: ("0", "1") if at else ("0",) for at, name in enumerate(names)}
    answer = search(index, SearchQuery(filters=chosen))
    for name in names:
        others = {other: values_ for other, values_ in chosen.items() if other != name}
        for value, count in values(answer, name).items():
            assert count == search(index, SearchQuery(filters=others | {name: (value,)})).total
    assert values(answer, names[0]) == {"0": 3, "1": 3}


def test_vendure_1120_a_catalogue_that_is_put_again_and_again_takes_no_more_room() -> None:
    index = SearchIndex("GBP")
    live, rows = 200, []
    for version in range(1, 20):
        for n in range(live // 2):
            sizes = {f"{n}-S": {"size": "S"}, f"{n}-M": {"size": "M"}}
            index.put(product(f"P{n}", "mug", variants=sizes, version=version))
        index.commit(NOW)
        rows.append(len(index.columns.skus))
    assert live < max(rows) <= 2 * (live + WASTE)
    assert rows[-1] < max(rows), "what is dead was dropped"
    assert search(index, SearchQuery()).total == live // 2


def test_vendure_1120_a_large_catalogue_is_indexed_in_parts_at_the_start_too() -> None:
    node = node_of(*(product(f"P{n}", "mug") for n in range(11)))
    with patch.object(node_module, "PRODUCTS_A_COMMIT_AT_FIRST", 10):
        node.commit_some(NOW)
    assert node.index.pending == 1


async def test_vendure_1292_a_node_is_ready_once_all_of_the_start_is_visible_and_stays_so() -> None:
    node = node_of(product("A", "mug"), product("B", "mug"))
    node.commit_some(NOW)
    assert not node.is_ready, "there may be more to read"
    node.apply(put(*(product(f"P{n}", "mug") for n in range(PRODUCTS_A_COMMIT + 1))))
    node._follower.caught_up.set()
    node.commit_some(NOW)
    assert not node.is_ready, "one is not visible yet"
    node.commit_some(NOW)
    ready = [node.is_ready]
    node.apply(put(product("C", "mug")))
    assert [*ready, node.is_ready] == [True, True], "a change is no reason to send everybody away"


def test_elasticsuite_3177_what_is_back_in_stock_is_found_and_counted_at_once() -> None:
    index = shop(*(product(f"P{n}", "mug") for n in range(12)), levels=dict.fromkeys((f"P{n}" for n in range(8)), 5))
    assert search(index, SearchQuery(in_stock=True)).total == 8
    for n in range(8, 12):
        index.set_level(f"P{n}", 3)
    answer = search(index, SearchQuery(in_stock=True))
    assert (answer.total, len(answer.hits), answer.in_stock, answer.sold_out) == (12, 12, 12, 0)


@pytest.mark.parametrize("levels", [{}, {"O": 0}, {"O": 1}, {"O": 0, "S-S": 2}, {"S-S": 0, "S-M": 1}])
def test_prestashop_13139_what_counts_as_in_stock_is_what_the_filter_finds(levels: dict[str, int]) -> None:
    sizes = product("S", "shirt", variants={"S-S": {"size": "S"}, "S-M": {"size": "M"}})
    index = shop(product("O", "mug"), sizes, levels=levels)
    everything = search(index, SearchQuery())
    in_stock_only = search(index, SearchQuery(in_stock=True))
    assert (in_stock_only.total, in_stock_only.in_stock, in_stock_only.sold_out) == (
        everything.in_stock,
        everything.in_stock,
        everything.sold_out,
    )
    assert everything.in_stock + everything.sold_out == everything.total == 2
    assert {hit.product_id for hit in everything.hits if hit.availability != "sold_out"} == set(
        ids_of_hits(index, "", in_stock=True)
    )


def test_gorse_613_what_is_new_goes_with_the_newest_of_its_kind() -> None:
    old = [product(f"P{n}", "mug", product_type="mugs", published_at_ms=NOW - n) for n in range(4)]
    bag = product("BAG", "bag", category="Bags/Small")
    other = product("BAG2", "bag", category="Bags/Small")
    node = node_of(*old, product("NEW", "mug", product_type="mugs"), product("ODD", "oddity"), bag, other)
    node.commit_some(NOW)
    for sku in ("P0", "P2", "P3", "NEW", "BAG", "BAG2"):
        node.index.set_level(sku, 5)
    assert [hit.product_id for hit in node.of_its_kind("NEW", 2)] == ["P0", "P2"], "P1 is sold out"
    assert [hit.product_id for hit in node.of_its_kind("BAG", 8)] == ["BAG2"]
    assert node.of_its_kind("ODD", 8) == node.of_its_kind("NOBODY", 8) == ()
