"""How good recommendations are on two months of real baskets that the model has not seen.

The data is no part of the repository; without it these tests are skipped.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from consumers.recommendations import item_item
from consumers.recommendations.blending import bought_again
from consumers.recommendations.evaluation import Case, Quality, completions, judge

DATA: Final = Path(__file__).parents[4] / "shared" / "data" / "online-retail-baskets.csv.gz"
TEST_FROM: Final = "2011-09-01"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared data folder is not beside the repository")


class Basket(NamedTuple):
    at: str
    customer: str
    items: tuple[str, ...]


@pytest.fixture(scope="module")
def baskets() -> list[Basket]:
    with gzip.open(DATA, "rt", encoding="utf-8", newline="") as file:
        rows = [
            Basket(row["at"], row["customer"], tuple(item.partition(":")[0] for item in row["items"].split()))
            for row in csv.DictReader(file)
        ]
    return sorted(rows)


@pytest.mark.release
def test_items_bought_together_complete_later_baskets_better_than_best_sellers_do(baskets: list[Basket]) -> None:
    past = [basket.items for basket in baskets if basket.at < TEST_FROM]
    model = item_item.build(past)
    cases = completions((basket.items for basket in baskets if basket.at >= TEST_FROM), frozenset(model))
    quality = judge(lambda given: [neighbour.item for neighbour in item_item.recommend(model, given, 10)], cases)
    sellers = [item for item, _ in Counter(item for items in past for item in set(items)).most_common(200)]
    best = judge(lambda given: [item for item in sellers if item not in given], cases)
    sys.stdout.write(f"item-item {quality}\nbest sellers {best}\n")
    assert quality.hit >= 0.28
    assert quality.ndcg >= 0.17
    assert quality.hit > 3 * best.hit


def test_what_was_bought_before_is_in_the_next_basket(baskets: list[Basket]) -> None:
    past: defaultdict[str, list[tuple[int, tuple[str, ...]]]] = defaultdict(list)
    following: dict[str, Basket] = {}
    for number, basket in enumerate(baskets):
        if basket.customer and basket.at < TEST_FROM:
            past[basket.customer].append((number, basket.items))
        elif basket.customer in past:
            following.setdefault(basket.customer, basket)
    cases = [Case((customer,), frozenset(basket.items)) for customer, basket in following.items()]

    def again(given: tuple[str, ...]) -> list[str]:
        return [item for item, _ in bought_again(past[given[0]], 10)]

    quality: Quality = judge(again, cases)
    sys.stdout.write(f"next basket {quality}\n")
    assert quality.hit >= 0.68
