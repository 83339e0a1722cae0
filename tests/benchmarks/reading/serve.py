"""One lane's server as a process of its own: `python -m tests.benchmarks.reading.serve LANE PRODUCTS [ADDRESS] PORT`.

ADDRESS is PostgreSQL's for its lane, and for `routes` Valkey's, where recommendations are.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import Any

import uvicorn
from redis.asyncio import Redis

from consumers.following.follower import Followed
from consumers.pages.reader import PageReader
from consumers.recommendations.reader import Recommendations
from consumers.search.node import SearchNode
from infra.edge.shop import routes
from infra.edge.shop.demand import Demand
from infra.edge.shop.process import valkey
from infra.edge.shop.product_pages import ProductPages
from infra.edge.shop.search_answers import SearchAnswers
from infra.edge.shop.shop import Shop
from schemas.messages import StockLevel
from tests.benchmarks.reading import goods, postgresql
from tests.benchmarks.reading.routes import PARTITIONS


def own_application(number: int, redis_url: str = "") -> Any:
    """Return the shop's application, filled as its topics would fill it; with recommendations where they are in a Valkey."""
    everything = goods.products(number)
    node = SearchNode("nowhere:1", "", "GBP")
    reader = PageReader("", [Redis()], lambda: 0, hot_products=number)
    node.also_apply = reader.apply
    node.apply(
        [Followed("catalogue.products", 0, at, product.product_id, product) for at, product in enumerate(everything)]
    )
    levels = goods.levels(everything).items()
    node.apply(
        [Followed("stock.levels", 0, at, sku, StockLevel(sku, n, 0, 0, n, 0)) for at, (sku, n) in enumerate(levels)]
    )
    node.index.commit(time.time_ns() // 1_000_000)
    node.is_ready = True
    shop = recommending(node, reader, valkey(redis_url)) if redis_url else Shop(node, reader, "GBP")
    following = SearchAnswers(shop, routes.application(shop))
    return ProductPages(reader, following, categories=shop.top_categories)


def recommending(node: SearchNode, reader: PageReader, redis: Redis) -> Shop:
    """Return a shop that reads from this Valkey what goes together and what is in demand."""
    return Shop(node, reader, "GBP", Recommendations(redis, ""), in_demand=Demand(redis, "", PARTITIONS).now)


def main() -> None:
    """Serve until ended."""
    lane, number = sys.argv[1], int(sys.argv[2])
    app = postgresql.application(sys.argv[3]) if lane == "postgresql" else own_application(number, *sys.argv[3:-1])
    gc.collect()
    gc.freeze()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[-1]), log_config=None, access_log=False)


if __name__ == "__main__":
    main()
