"""What is sought by the parameters of a list of orders: each once, and none that means two things."""

from __future__ import annotations

import pytest

from consumers.views.index import OrderQuery
from infra.edge.api.listing import DEFAULT_LIMIT, read_query, write_cursor
from infra.edge.api.problems import ProblemError
from schemas.ids import new_order_id
from topology.states import OrderState

NOON_MS = 1_796_040_000_000


def test_what_is_given_is_sought() -> None:
    order_id = new_order_id()
    given = f"customer=caf%C3%A9+1&state=paid&limit=7&cursor={write_cursor(5, order_id)}"
    wanted = OrderQuery(customer_id="caf\u00e9 1", state=OrderState("paid"), after=(5, order_id))
    assert read_query(given.encode()) == (wanted, 7)
    assert read_query(b"") == (OrderQuery(), DEFAULT_LIMIT)


@pytest.mark.parametrize(
    "text", ["2026-11-30T12:00:00Z", "2026-11-30T12:00:00", "2026-11-30T13:00:00%2B01:00", "2026-11-29T22:00:00-14:00"]
)
def test_a_time_is_of_its_zone_and_of_utc_without_one(text: str) -> None:
    assert read_query(f"from={text}&to={text}".encode()) == (
        OrderQuery(from_ms=NOON_MS, until_ms=NOON_MS),
        DEFAULT_LIMIT,
    )


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ("state=paid&state=rejected", "state"),
        ("customer=a&%63ustomer=a", "customer"),
        ("from=2026-11-30T12:00:00+01:00", "from"),
        ("to=2026-11-30T24:00:00Z", "to"),
        ("from=nan", "from"),
        ("cursor=AAAA", "cursor"),
        ("limit=%D9%A1", "limit"),
        ("sku=", "sku"),
        ("=1", ""),
    ],
)
def test_what_cannot_be_meant_is_named(given: str, parameter: str) -> None:
    with pytest.raises(ProblemError) as raised:
        read_query(given.encode())
    assert [fault.parameter for fault in raised.value.problem.errors] == [parameter]


@pytest.mark.parametrize("given", ["customer=%FF", "customer=%ED%A0%80", "%C0%AF=1"])
def test_what_is_no_utf_8_is_refused(given: str) -> None:
    with pytest.raises(ProblemError, match="UTF-8"):
        read_query(given.encode())
