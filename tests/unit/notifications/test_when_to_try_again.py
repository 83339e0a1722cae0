"""What follows from a subscriber's answer."""

from __future__ import annotations

import pytest

from consumers.notifications.delivery import SCHEDULE_SECONDS, Verdict, judge

SCHEDULE = (5.0, 300.0)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_success_ends_it(status: int) -> None:
    assert judge(status, "", 1, SCHEDULE, 0.0) == Verdict("")


@pytest.mark.parametrize("status", [None, 301, 400, 401, 404, 429, 500, 503])
def test_anything_else_is_tried_again_later_and_later(status: int | None) -> None:
    waits = [judge(status, "no answer", attempts, SCHEDULE, 0.0).wait_seconds for attempts in (1, 2)]
    assert waits == list(SCHEDULE)
    assert judge(status, "no answer", 1, SCHEDULE, 0.5).wait_seconds == pytest.approx(5.25)


def test_endless_failure_is_parked_for_a_person() -> None:
    verdict = judge(500, "", 3, SCHEDULE, 0.0)
    assert (verdict.error, verdict.parked_because, verdict.disables) == ("answered 500", "3 attempts failed", False)


def test_a_subscriber_that_answers_gone_is_not_called_again() -> None:
    verdict = judge(410, "", 1, SCHEDULE, 0.0)
    assert verdict.parked_because is not None
    assert verdict.disables


def test_what_cannot_be_delivered_for_three_days_is_parked() -> None:
    assert 2.5 < sum(SCHEDULE_SECONDS) / 86_400 < 4
