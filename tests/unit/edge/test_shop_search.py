"""Searching in a shop process that has just started: no answer, rather than one from a part of the products."""

from __future__ import annotations

from typing import Any

import pytest
from litestar.testing import TestClient

from consumers.following.follower import Followed
from consumers.pages.reader import PageReader
from consumers.search.node import SearchNode
from infra.edge.shop import routes
from infra.edge.shop.product_pages import RETRY_AFTER_S
from infra.edge.shop.search_answers import SearchAnswers
from infra.edge.shop.shop import Shop
from schemas.messages import Product, StockLevel
from tests.unit.search.shelf import NOW, product

HTML, JSON = {"Accept": "text/html"}, {"Accept": "application/json"}
MUG = product("MUG", "Red Mug", product_type="mugs", category="Kitchen")
NEW = product("NEW", "Blue Mug", product_type="mugs", category="Kitchen")


def shop_of(*products: Product) -> Shop:
    node, reader = SearchNode("nowhere:1", "", "GBP"), PageReader("", [])
    node.also_apply = reader.apply
    for at, one in enumerate(products):
        level = StockLevel(one.product_id, 5, 0, 0, 5, NOW)
        node.apply([Followed("catalogue.products", 0, at, one.product_id, one, NOW)])
        node.apply([Followed("stock.levels", 0, at, one.product_id, level, NOW)])
    node.commit_some(NOW)
    return Shop(node, reader, "GBP")


@pytest.mark.parametrize("headers", [HTML, JSON])
@pytest.mark.parametrize("path", ["/search?q=mug", "/categories/kitchen", "/suggest?q=mu"])
def test_nobody_gets_an_answer_from_a_part_of_the_products(path: str, headers: dict[str, str]) -> None:
    shop = shop_of(MUG)
    app: Any = SearchAnswers(shop, routes.application(shop))
    with TestClient(app) as client:
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, str(RETRY_AFTER_S))
        assert client.get("/shop/readyz").status_code == 503
        shop.search.is_ready = True
        answer = client.get(path, headers=headers)
        assert (answer.status_code, "retry-after" in answer.headers) == (200, False)
        assert "MUG" in answer.text


async def test_with_what_nobody_bought_yet_goes_what_is_of_its_kind() -> None:
    related, position = await shop_of(MUG, NEW).related("NEW")
    assert [(one.product_id, one.reason) for one in related] == [("MUG", "of the same kind")]
    assert position == "", "it was learned from no order"
