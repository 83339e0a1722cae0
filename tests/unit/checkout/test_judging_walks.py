"""That the walk of many shoppers would notice: each breach is planted once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.shoppers import STALE_MS, Prices, breaches_of
from tests.chaos.walk import Click

GOOD = Click("A", 500, (303, 303), ("/orders/A",))
REQUOTED = Click("B", 700, (409,), ())


@pytest.mark.parametrize(
    ("clicks", "amounts", "breaches"),
    [
        ([GOOD, REQUOTED], {"A": 500}, []),
        ([GOOD], {"A": 0}, []),  # it came to nothing
        ([GOOD], {}, ["click A is no order"]),
        ([GOOD], {"A": 500, "C": 500}, ["order C was clicked by nobody"]),
        ([GOOD, REQUOTED], {"A": 500, "B": 700}, ["order B was clicked by nobody"]),
        ([GOOD], {"A": 499}, ["A showed 500, charged 499"]),
        (
            [Click("A", 500, (303, 303), ("/orders/A", "/orders/B"))],
            {"A": 500},
            ["A leads to ('/orders/A', '/orders/B')"],
        ),
    ],
)
def test_what_is_not_one_order_for_each_click_is_found(
    clicks: list[Click], amounts: dict[str, int], breaches: list[str]
) -> None:
    assert breaches_of(clicks, amounts) == breaches


def test_a_price_that_is_over_or_never_was_is_found() -> None:
    no_catalogue: Any = None
    prices = Prices(no_catalogue, 1)
    prices.past["MUG-0"] = [(0, 300), (1_000, 400), (9_000, 300)]
    assert prices.over_ms("MUG-0", 300, 999) == 0
    assert prices.over_ms("MUG-0", 400, 1_000) == 0
    assert prices.over_ms("MUG-0", 300, 1_500) == 500
    assert prices.over_ms("MUG-0", 400, 999) is None  # not yet
    assert prices.over_ms("MUG-0", 300, 9_500) == 0  # it came back
    late = prices.over_ms("MUG-0", 400, 9_001 + STALE_MS)
    assert late is not None
    assert late > STALE_MS
