"""One lane's server as a process of its own: `python -m tests.benchmarks.reading.serve LANE PRODUCTS [DSN]`; prints its port."""

from __future__ import annotations

import gc
import sys
import time
from typing import Any

import uvicorn
from redis.asyncio import Redis

from consumers.following.follower import Followed
from consumers.pages.reader import PageReader
from consumers.search.node import SearchNode
from infra.edge.shop import routes
from infra.edge.shop.product_pages import ProductPages
from infra.edge.shop.search_answers import SearchAnswers
from infra.edge.shop.shop import Shop
from schemas.messages import StockLevel
from tests.benchmarks.reading import goods, postgresql


def own_application(number: int) -> Any:
    """Return the shop's application, filled as its topics would fill it."""
    everything = goods.products(number)
    node = SearchNode("nowhere:1", "", "GBP")
    reader = PageReader("", [Redis()], hot_products=number)
    node.also_apply = reader.apply
    node.apply(
        [Followed("catalogue.products", 0, at, product.product_id, product) for at, product in enumerate(everything)]
    )
    levels = goods.levels(everything).items()
    node.apply(
        [Followed("stock.levels", 0, at, sku, StockLevel(sku, n, 0, 0, n, 0)) for at, (sku, n) in enumerate(levels)]
    )
    node.index.commit(time.time_ns() // 1_000_000)
    shop = Shop(node, reader, "GBP")
    following = SearchAnswers(shop, routes.application(shop))
    return ProductPages(reader, following, categories=shop.top_categories)


def main() -> None:
    """Serve until ended."""
    lane, number = sys.argv[1], int(sys.argv[2])
    app = own_application(number) if lane == "ours" else postgresql.application(sys.argv[3])
    gc.collect()
    gc.freeze()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[-1]), log_config=None, access_log=False)


if __name__ == "__main__":
    main()
