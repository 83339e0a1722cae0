"""What a user would pick instead: pages and search from PostgreSQL, behind the same framework and templates.

One query a page, by primary keys; full-text search by a GIN index with pg_trgm for misspelled texts, the hits and all facets in
one statement. Variants are no unit of its filters (a product in size S and one in stock may be two variants).
"""

from __future__ import annotations

import time
from typing import Any

import asyncpg
import msgspec
from litestar import Litestar, Request, Response, get
from litestar.params import FromPath

from consumers.pages.caching import cache_control, etag_of
from consumers.pages.view import view_of
from infra.edge.shop.addresses import read_query
from infra.edge.shop.html import product_page
from schemas.messages import Product
from schemas.products import product_id_in
from schemas.shop import Level

TABLES = """
CREATE EXTENSION pg_trgm;
CREATE TABLE products (product_id text PRIMARY KEY, product bytea NOT NULL);
CREATE TABLE stock (sku text PRIMARY KEY, product_id text NOT NULL, available integer NOT NULL);
CREATE TABLE search (
    product_id text PRIMARY KEY, title text NOT NULL, price_minor bigint NOT NULL, in_stock boolean NOT NULL, published_ms bigint NOT NULL,
    colour text[] NOT NULL, material text[] NOT NULL, brand text NOT NULL, type text NOT NULL, category text NOT NULL, words tsvector NOT NULL
);
"""
INDEXES = """
CREATE INDEX ON stock (product_id);
CREATE INDEX ON search USING gin (words);
CREATE INDEX ON search USING gin (title gin_trgm_ops);
ANALYZE;
"""
PAGE = """
SELECT product, (SELECT json_object_agg(sku, available) FROM stock s WHERE s.product_id = p.product_id) AS levels
FROM products p WHERE product_id = $1
"""
_FACETS = "".join(
    f"UNION ALL (SELECT '{name}', value, count(*) FROM found, {source} WHERE {others} GROUP BY value) "  # noqa: S608  our own words
    for name, source, others in (
        ("colour", "unnest(colour) AS value", "stocked"),
        ("material", "unnest(material) AS value", "coloured AND stocked"),
        ("brand", "LATERAL (SELECT brand AS value) AS b", "coloured AND stocked"),
        ("type", "LATERAL (SELECT type AS value) AS t", "coloured AND stocked"),
        ("category", "LATERAL (SELECT category AS value) AS c", "coloured AND stocked"),
    )
)
SEARCH = f"""
WITH found AS MATERIALIZED (
    SELECT *, cardinality($2::text[]) = 0 OR colour && $2::text[] AS coloured, NOT $3 OR in_stock AS stocked,
        ts_rank(words, websearch_to_tsquery('english', $1)) AS rank
    FROM search WHERE words @@ websearch_to_tsquery('english', $1)
)
SELECT 'hit' AS kind, json_agg(h)::text AS value, (SELECT count(*) FROM found WHERE coloured AND stocked) AS number
FROM (SELECT product_id, title, price_minor, in_stock FROM found WHERE coloured AND stocked ORDER BY rank DESC, product_id LIMIT $4) AS h
{_FACETS}
"""  # noqa: S608  our own words
SIMILAR = SEARCH.replace("words @@ websearch_to_tsquery('english', $1)", "title % $1").replace(
    "ts_rank(words, websearch_to_tsquery('english', $1))", "similarity(title, $1)"
)


async def fill(dsn: str, products: list[Product], levels: dict[str, int]) -> None:
    """Make the tables, fill them and index them."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(TABLES)
    rows = [(product.product_id, msgspec.json.encode(product)) for product in products]
    await connection.copy_records_to_table("products", records=rows)
    stock = [
        (variant.sku, product.product_id, levels[variant.sku]) for product in products for variant in product.variants
    ]
    await connection.copy_records_to_table("stock", records=stock)
    await connection.executemany(
        "INSERT INTO search VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, setweight(to_tsvector('english', $2), 'A') || "
        "to_tsvector('english', $11))",
        [_row(product, levels) for product in products],
    )
    await connection.execute(INDEXES)
    await connection.close()


def _row(product: Product, levels: dict[str, int]) -> tuple[Any, ...]:
    values: dict[str, list[str]] = {"colour": [], "material": []}
    for attribute in product.attributes:
        values[attribute.name].append(attribute.value)
    others = " ".join((product.product_type, product.category, *values["material"], *product.description))
    return (
        product.product_id,
        product.title,
        min(price.amount_minor for price in product.prices),
        any(levels[variant.sku] for variant in product.variants),
        product.published_at_ms,
        values["colour"],
        values["material"],
        product.brand,
        product.product_type,
        product.category,
        others,
    )


def application(dsn: str) -> Litestar:
    """Return the application of both routes."""
    pools: list[asyncpg.Pool] = []

    async def connect() -> None:
        pools.append(await asyncpg.create_pool(dsn, min_size=4, max_size=8))

    decode = msgspec.json.Decoder(Product).decode

    @get("/p/{slug:str}")
    async def page(slug: FromPath[str]) -> Response[bytes]:
        row = await pools[0].fetchrow(PAGE, product_id_in(slug))
        assert row is not None
        product = decode(row["product"])
        levels = {sku: Level(available) for sku, available in msgspec.json.decode(row["levels"]).items()}
        now_ms = time.time_ns() // 1_000_000
        view = view_of(product, levels, at_ms=now_ms, age_ms=None)
        headers = {"ETag": etag_of(view), "Cache-Control": cache_control(product, levels, now_ms)}
        return Response(
            product_page(view, "", (), archived=False), media_type="text/html; charset=utf-8", headers=headers
        )

    @get("/search")
    async def search(request: Request[Any, Any, Any]) -> Response[bytes]:
        query = read_query(list(request.query_params.multi_items()))
        arguments = (query.text, list(query.filters.get("colour", ())), query.in_stock, query.size)
        rows = await pools[0].fetch(SEARCH, *arguments)
        if not rows[0]["number"]:
            rows = await pools[0].fetch(SIMILAR, *arguments)
        hits = msgspec.Raw((rows[0]["value"] or "[]").encode())
        facets = [(row["kind"], row["value"], row["number"]) for row in rows[1:]]
        body = msgspec.json.encode({"total": rows[0]["number"], "hits": hits, "facets": facets})
        return Response(body, media_type="application/json")

    return Litestar([page, search], on_startup=[connect], openapi_config=None, logging_config=None)
