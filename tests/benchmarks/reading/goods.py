"""The same products, stock and questions for every lane: from a seed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from producers.importing.seeded_catalogue import COLOURS, KINDS, STYLES, seeded_catalogue
from schemas.messages import Price, Product
from schemas.products import slug_of

SEED = 15
HOUR_MS = 3_600_000


def products(number: int) -> list[Product]:
    """Return so many published products."""
    now_ms = time.time_ns() // 1_000_000
    return [
        Product(
            product_id=draft.product_id,
            version=1,
            state="published",
            title=draft.title,
            description=draft.description,
            product_type=draft.product_type,
            category=draft.category,
            brand=draft.brand,
            slug=slug_of(draft.title, draft.product_id),
            currency=draft.currency,
            attributes=draft.attributes,
            variants=draft.variants,
            options=draft.options,
            prices=tuple(Price(sku, amount, now_ms - HOUR_MS) for sku, amount in sorted(draft.prices.items())),
            published_at_ms=now_ms - HOUR_MS + place,
            updated_at_ms=now_ms,
        )
        for place, draft in enumerate(seeded_catalogue(SEED, number))
    ]


def levels(all_products: list[Product]) -> dict[str, int]:
    """Return the units of each SKU: a quarter is sold out."""
    draw = random.Random(SEED)
    return {variant.sku: draw.choice((0, 5, 50, 500)) for product in all_products for variant in product.variants}


def queries(number: int) -> Iterator[str]:
    """Yield query strings as people make them: two or three words, half of them with a filter."""
    draw = random.Random(SEED + 1)
    for _ in range(number):
        words = [draw.choice(STYLES), draw.choice(KINDS).name, *([draw.choice(COLOURS)] if draw.random() < 0.5 else [])]
        text = "+".join(" ".join(words).lower().split())
        yield f"q={text}" + draw.choice(("", "", "&f.colour=red&f.colour=blue", "&in_stock=1"))


def first_time(all_products: list[Product], number: int) -> list[str]:
    """Return query strings of which no two are alike: the titles of some products."""
    titles = sorted({product.title.lower() for product in all_products})
    random.Random(SEED + 4).shuffle(titles)
    return [f"q={'+'.join(title.split())}" for title in titles[:number]]


def typed(number: int) -> Iterator[str]:
    """Yield the same queries with a letter missing in one of eight.

    10 to 15 % of queries have an error (Cucerzan & Brill 2004, "Spelling correction as an iterative process that exploits
    the collective knowledge of web users").
    """
    draw = random.Random(SEED + 3)
    for place, query in enumerate(queries(number)):
        text, _, rest = query.removeprefix("q=").partition("&")
        yield f"q={_with_typo(text.split('+'), draw, '+')}{rest and '&'}{rest}" if place % 8 == 0 else query


def misspelled(all_products: list[Product], number: int) -> list[tuple[str, str]]:
    """Return titles with one letter left out and the titles that they are of."""
    draw = random.Random(SEED + 2)
    some = draw.sample(all_products, min(number, len(all_products)))
    return [(_with_typo(product.title.lower().split(), draw, " "), product.title) for product in some]


def _with_typo(words: list[str], draw: random.Random, between: str) -> str:
    """Return words of which the longest lacks a letter, neither its first nor its last."""
    at = max(range(len(words)), key=lambda place: len(words[place]))
    cut = draw.randrange(1, len(words[at]) - 1)
    return between.join((*words[:at], words[at][:cut] + words[at][cut + 1 :], *words[at + 1 :]))
