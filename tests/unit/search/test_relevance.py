"""How well known things are found: real titles, typed badly, and real queries of a furniture shop.

The data is no part of the repository (see docs/guides/shop.md); without it the test is skipped. A gate below the
measured figures fails when a change makes search worse.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from consumers.search.answering import search
from consumers.search.index import SearchIndex
from schemas.search import SearchQuery
from tests.unit.search.shelf import NOW, product

DATA: Final = Path(__file__).parents[4] / "shared" / "data"
PRODUCTS: Final = DATA / "online-retail-products.csv"
QUERIES: Final = DATA / "wands-queries.csv"
SAMPLE: Final = 400
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
needs = pytest.mark.skipif(not PRODUCTS.exists(), reason="the shared data folder is not beside the repository")


def rank(index: SearchIndex, text: str, product_id: str) -> int:
    """Return the place of a product among the first ten hits, from 1; 0 where it is not among them."""
    hits = [hit.product_id for hit in search(index, SearchQuery(text=text, size=10)).hits]
    return hits.index(product_id) + 1 if product_id in hits else 0


def measure(ranks: list[int]) -> tuple[float, float]:
    """Return mean reciprocal rank and recall, both of the first ten."""
    return sum(1 / place for place in ranks if place) / len(ranks), sum(place > 0 for place in ranks) / len(ranks)


def with_typo(words: list[str], lot: random.Random) -> list[str]:
    long = [at for at, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return words
    at = lot.choice(long)
    word, place = words[at], lot.randrange(1, len(words[at]) - 1)
    edits = (
        word[:place] + word[place + 1 :],
        word[:place] + lot.choice(LETTERS) + word[place:],
        word[:place] + lot.choice(LETTERS) + word[place + 1 :],
        word[:place] + word[place + 1] + word[place] + word[place + 2 :],
    )
    return [*words[:at], lot.choice(edits), *words[at + 1 :]]


def without_a_word(words: list[str], lot: random.Random) -> list[str]:
    gone = lot.randrange(len(words))
    return [word for at, word in enumerate(words) if at != gone] if len(words) > 2 else words


def swapped(words: list[str], lot: random.Random) -> list[str]:
    return lot.sample(words, len(words))


@pytest.fixture(scope="module")
def titles() -> dict[str, str]:
    with PRODUCTS.open(encoding="utf-8", newline="") as file:
        return {row["product_id"]: row["title"] for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def shop(titles: dict[str, str]) -> SearchIndex:
    index = SearchIndex("GBP")
    for product_id, title in titles.items():
        index.put(product(product_id, title))
    index.commit(NOW)
    return index


@needs
@pytest.mark.parametrize(
    ("change", "least_mrr", "least_recall"),
    [(None, 0.97, 0.99), (with_typo, 0.97, 0.98), (without_a_word, 0.91, 0.98), (swapped, 0.97, 0.99)],
    ids=["as_written", "typo", "dropped_word", "swapped_words"],
)
def test_a_known_product_is_found(
    shop: SearchIndex,
    titles: dict[str, str],
    change: Callable[[list[str], random.Random], list[str]] | None,
    least_mrr: float,
    least_recall: float,
) -> None:
    lot = random.Random(2010)
    ranks = []
    for product_id in lot.sample(sorted(titles), SAMPLE):
        words = titles[product_id].lower().split()
        ranks.append(rank(shop, " ".join(change(words, lot) if change else words), product_id))
    mrr, recall = measure(ranks)
    sys.stdout.write(f"{change.__name__ if change else 'as written'}: MRR@10 {mrr:.3f}, recall@10 {recall:.3f}\n")
    assert mrr >= least_mrr
    assert recall >= least_recall


@needs
def test_what_is_typed_so_far_finds_the_product(shop: SearchIndex, titles: dict[str, str]) -> None:
    lot = random.Random(2011)
    ranks = []
    for product_id in lot.sample(sorted(titles), SAMPLE):
        title = titles[product_id].lower().strip()
        ranks.append(rank(shop, title[: max(4, len(title) * 2 // 3)].strip(), product_id))
    mrr, recall = measure(ranks)
    sys.stdout.write(f"unfinished: MRR@10 {mrr:.3f}, recall@10 {recall:.3f}\n")
    assert mrr >= 0.87
    assert recall >= 0.97


@needs
def test_real_queries_find_their_class_of_product() -> None:
    with QUERIES.open(encoding="utf-8", newline="") as file:
        rows = [
            (row["query"], row["query_class"]) for row in csv.DictReader(file, delimiter="\t") if row["query_class"]
        ]
    classes = {name: f"c{number}" for number, name in enumerate(sorted({name for _, name in rows}))}
    index = SearchIndex("GBP")
    for name, product_id in classes.items():
        index.put(product(product_id, name))
    index.commit(NOW)
    mrr, recall = measure([rank(index, text, classes[name]) for text, name in rows])
    sys.stdout.write(f"classes: MRR@10 {mrr:.3f}, recall@10 {recall:.3f}\n")
    assert mrr >= 0.55
    assert recall >= 0.66
