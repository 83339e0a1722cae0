"""That the saga's benchmark notices what would make its figures worthless."""

from __future__ import annotations

import msgspec
import pytest

from producers.clients.orders import OrderLine, OrderRequest
from schemas.messages import OrderPaid, OrderRejected
from tests.benchmarks.harness.outcomes import Outcome
from tests.benchmarks.sagas.books import SagaBooks, Sold
from tests.benchmarks.sagas.shapes import PRICE_MINOR, SCARCE
from tests.benchmarks.sagas.trial import breaches

GOOD = SagaBooks(on_hand=5, reserved=0, allocated=2, held_minor=0, captured_minor=2 * PRICE_MINOR)
FEW = next(iter(SCARCE))


def order(sku: str = "MUG") -> OrderRequest:
    return OrderRequest(lines=(OrderLine(sku, 1, PRICE_MINOR),), customer_id="c")


A, B = order(), order()
A_PAID, B_PAID = (Outcome(placed.order_id, OrderPaid, 0) for placed in (A, B))
B_REJECTED = Outcome(B.order_id, OrderRejected, 0)
STRANGER = Outcome(order().order_id, OrderPaid, 0)


@pytest.mark.parametrize(
    ("endings", "breach"),
    [
        ([A_PAID, A_PAID, B_PAID], "1 orders ended twice"),
        ([A_PAID], "1 orders without an end"),
        ([A_PAID, B_PAID, STRANGER], "1 ends of unknown orders"),
        ([A_PAID, B_REJECTED], "1 of 2 paid"),
    ],
)
def test_each_breach_in_the_ends_is_named(endings: list[Outcome], breach: str) -> None:
    assert breach in breaches(Sold(), [A, B], endings, are_all_paid=True)


def test_more_paid_than_there_is_of_a_scarce_sku_is_oversold() -> None:
    orders = [order(FEW) for _ in range(SCARCE[FEW] + 1)]
    paid = [Outcome(placed.order_id, OrderPaid, 0) for placed in orders]

    (breach,) = breaches(Sold(), orders, paid, are_all_paid=False)

    assert breach.startswith("oversold")


def test_ends_as_they_should_be_are_no_breach_and_add_up() -> None:
    sold = Sold()

    assert breaches(sold, [A, B], [A_PAID, B_REJECTED], are_all_paid=False) == []
    assert sold == Sold(units=1, money_minor=PRICE_MINOR)


@pytest.mark.parametrize(
    ("changed", "breach"),
    [
        ({"reserved": 1}, "1 units still reserved"),
        ({"allocated": 3}, "3 units allocated, 2 sold"),
        ({"on_hand": 1}, "2 units allocated of 1: oversold"),
        ({"held_minor": 7}, "7 minor units of money still held"),
        ({"captured_minor": 3998 - 1}, "3997 captured for goods of 3998"),
        ({"unpublished": 1}, "1 left in the outbox"),
    ],
)
def test_each_contradiction_in_the_books_is_named(changed: dict[str, int], breach: str) -> None:
    books = msgspec.structs.replace(GOOD, **changed)

    assert books.breaches(Sold(units=2, money_minor=2 * PRICE_MINOR)) == [breach]


def test_books_that_agree_are_no_breach() -> None:
    assert GOOD.breaches(Sold(units=2, money_minor=2 * PRICE_MINOR)) == []
