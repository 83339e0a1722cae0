"""That the walk of many shoppers would notice: each breach is planted once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.shopping import SLACK_MS, Past, Placed, Prices, breaches_of
from tests.chaos.walk import Click

GOOD = Click("A", 500, (303, 303), ("/orders/A",))
REQUOTED = Click("B", 700, (409,), ())


@pytest.mark.parametrize(
    ("clicks", "orders", "breaches"),
    [
        ([GOOD, REQUOTED], {"A": Placed("paid", 500)}, []),
        ([GOOD], {"A": Placed("rejected", 0)}, []),  # it came to nothing
        ([GOOD, REQUOTED], {"A": Placed("paid", 500), "B": Placed("cancelled", 700)}, []),  # it was withdrawn
        ([GOOD], {}, ["click A is no order"]),
        ([GOOD], {"A": Placed("paid", 500), "C": Placed("paid", 500)}, ["order C was clicked by nobody"]),
        (
            [GOOD, REQUOTED],
            {"A": Placed("paid", 500), "B": Placed("paid", 700)},
            ["order B was refused, and is paid"],
        ),
        ([GOOD], {"A": Placed("paid", 499)}, ["A showed 500, charged 499"]),
        (
            [Click("A", 500, (303, 303), ("/orders/A", "/orders/B"))],
            {"A": Placed("paid", 500)},
            ["A leads to ('/orders/A', '/orders/B')"],
        ),
        (
            [Click("A", 500, (303, 409), ("/orders/A",))],
            {"A": Placed("paid", 500)},
            ["A was placed and refused"],
        ),
    ],
)
def test_what_is_not_one_order_for_each_click_is_found(
    clicks: list[Click], orders: dict[str, Placed], breaches: list[str]
) -> None:
    assert breaches_of(clicks, orders) == breaches


def test_a_price_that_is_over_or_never_was_is_found() -> None:
    no_catalogue: Any = None
    prices = Prices(no_catalogue, 1)
    prices.past["MUG-0"] = [Past(300, 0, 1_000), Past(400, 1_000, 9_000), Past(300, 9_000)]
    assert prices.over_ms("MUG-0", 300, 999) == 0
    assert prices.over_ms("MUG-0", 400, 1_000) == 0
    assert prices.over_ms("MUG-0", 300, 1_500) == 500
    assert prices.over_ms("MUG-0", 400, 999) is None  # not yet
    assert prices.over_ms("MUG-0", 300, 9_500) == 0  # it came back
    late = prices.over_ms("MUG-0", 400, 9_001 + SLACK_MS)
    assert late is not None
    assert late > SLACK_MS
