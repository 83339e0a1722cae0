"""That `make bench-read` measures every address of the shop that is read."""

from __future__ import annotations

import re

from consumers.pages.reader import PageReader
from consumers.search.node import SearchNode
from infra.edge.shop.routes import application
from infra.edge.shop.shop import Shop
from tests.benchmarks.reading import goods
from tests.benchmarks.reading.routes import routes_of

SAME_FOR_EVERYBODY = {"/tiles/{kind:str}/{colours:str}", "/static/{name:str}", "/shop/readyz"}
ANSWERED_BEFORE = {"/p/{slug:str}", "/products/{product_id:str}"}
"""By infra/edge/shop/product_pages.py, before the framework is asked."""


def test_every_address_that_is_read_is_measured() -> None:
    shop = Shop(SearchNode("nowhere:1", "", "GBP"), PageReader("", []), "GBP")
    addresses = {route.path for route in application(shop).routes} - SAME_FOR_EVERYBODY | ANSWERED_BEFORE
    asked = [route.paths[0].partition("?")[0] for route in routes_of(goods.products(20))]
    missed = [
        address
        for address in addresses
        if not any(re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", address), path) for path in asked)
    ]
    assert missed == []
