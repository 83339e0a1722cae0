"""That a benchmark notices what would make its figures worthless. The real lanes are seen in tests/stack/test_benchmarks.py."""

from __future__ import annotations

import pytest

from schemas.messages import LineRejected, LineReserved
from tests.benchmarks.harness.generator import BEHIND_MS, Offered
from tests.benchmarks.harness.lanes import Books
from tests.benchmarks.harness.outcomes import Outcome, breaches
from tests.benchmarks.harness.trial import rate_of

A, B = Outcome("A", LineReserved, 0), Outcome("B", LineReserved, 0)
B_REFUSED = Outcome("B", LineRejected, 0)


@pytest.mark.parametrize(
    ("outcomes", "units", "breach"),
    [
        ([A, A, B], 2, "1 outcomes said twice"),
        ([A], 2, "1 orders without an outcome"),
        ([A, B, Outcome("C", LineRejected, 0)], 2, "1 outcomes of unknown orders"),
        ([A, B], 1, "2 sold where 1 could be: oversold"),
        ([A, B_REFUSED], None, "1 sold where 2 could be: undersold"),
    ],
)
def test_each_breach_in_the_outcomes_is_named(outcomes: list[Outcome], units: int | None, breach: str) -> None:
    assert breach in breaches(["A", "B"], outcomes, units)


def test_outcomes_as_they_should_be_are_no_breach() -> None:
    assert breaches(["A", "B"], [A, B_REFUSED], 1) == []


@pytest.mark.parametrize(
    ("books", "breach"),
    [
        (Books(received=5, sold=3, holds=2), "3 units taken for 2 sales"),
        (Books(received=5, sold=2, holds=1), "1 holds for 2 sales"),
        (Books(received=1, sold=2, holds=2), "2 units taken of 1"),
        (Books(received=5, sold=2, holds=2, unpublished=1), "1 outcomes left in the outbox"),
    ],
)
def test_each_contradiction_in_the_books_is_named(books: Books, breach: str) -> None:
    assert books.breaches(sold=2) == [breach]


def test_the_first_tenth_of_a_trial_does_not_count() -> None:
    slow_start = [second * 1000 for second in range(10)]
    steady = [9_000 + tick * 10 for tick in range(1, 91)]

    seconds, rate = rate_of(slow_start + steady)

    assert seconds == pytest.approx(0.89)
    assert rate == pytest.approx(100)


def test_a_batch_that_became_visible_at_the_end_of_the_warm_up_is_not_counted() -> None:
    assert rate_of([0] * 50 + [500] * 50) == (0.5, 100.0)


def test_a_trial_that_was_published_all_at_once_has_a_rate() -> None:
    assert rate_of([7] * 20) == (0.001, 20_000.0)


@pytest.mark.parametrize(("p99_ms", "fell_behind"), [(BEHIND_MS - 1, False), (BEHIND_MS + 1, True)])
def test_a_generator_that_missed_its_schedule_reports_it(p99_ms: float, fell_behind: bool) -> None:
    offered = Offered(100.0, 0.0, ["A"], (0.0, p99_ms, p99_ms), (1.0, 1.0, 1.0))
    assert offered.fell_behind is fell_behind


def test_an_order_is_due_by_the_schedule_and_not_by_when_it_was_sent() -> None:
    offered = Offered(100.0, 5_000.0, ["A", "B"], (9.0, 9.0, 9.0), (9.0, 9.0, 9.0))
    assert offered.due_ms() == {"A": 5_000.0, "B": 5_010.0}
