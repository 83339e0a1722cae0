"""Where the processor's books of a payment differ from ours, what of that can be booked, and what it comes to in all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from consumers.payments.ledger import Sums
from consumers.payments.processor import ProcessorPayment
from consumers.payments.state import Payment
from infra.ops.reconciliation.plan import (
    ONLY_OURS,
    OTHER_CURRENCY,
    OTHER_FIGURES,
    OTHER_ORDER,
    Books,
    difference_of,
    is_moving,
    is_ours,
    known_of,
    only_ours,
    orphan_of,
)
from infra.ops.reconciliation.report import BOOKED, Report, Total
from tests.given_when_then import A, B, OrderCancelled
from tests.unit.payments.dsl import (
    AUTHORIZE,
    AUTHORIZED,
    AUTHORIZING,
    CAPTURED,
    DECLINED,
    DISPUTED,
    INSPECTING,
    LAPSES_MS,
    PARTIALLY_CAPTURED,
    PARTIALLY_REFUNDED,
    REFUND_FAILED,
    REFUNDING,
    REQUIRES_ACTION,
    RESOLVE,
    VOID,
    VOIDED,
    end_waits,
    given,
    inspection,
    result,
    story,
)


def own_payment(*happened: Any) -> Payment:
    given(*happened)
    return story.state


def processor_payment(**figures: Any) -> ProcessorPayment:
    """Return order A's authorisation as the processor has it: 500 captured."""
    usual = ProcessorPayment("auth_1", A, "EUR", 500, 500, 0, 0, 1_000)
    return msgspec.structs.replace(usual, **figures)


@pytest.mark.parametrize(
    ("happened", "figures"),
    [
        (AUTHORIZED, {"captured_minor": 0}),
        (CAPTURED, {}),
        (VOIDED, {"captured_minor": 0, "voided_minor": 500}),
        (PARTIALLY_CAPTURED, {"captured_minor": 300}),
        (PARTIALLY_REFUNDED, {"refunded_minor": 200}),
        (DISPUTED, {"disputed_minor": 500}),
        ((*INSPECTING, inspection(refunded_minor=200)), {"refunded_minor": 200}),
        ((*REFUND_FAILED, RESOLVE, inspection()), {}),  # a bank transfer is on nobody's books
    ],
)
def test_books_that_agree_differ_in_nothing(happened: tuple[Any, ...], figures: dict[str, int]) -> None:
    assert difference_of(processor_payment(**figures), own_payment(*happened)) is None


@pytest.mark.parametrize(
    "figures",
    [
        {"captured_minor": 400},
        {"captured_minor": 400, "voided_minor": 100},
        {"refunded_minor": 1},
        {"disputed_minor": 1},
        {"lost_minor": 1},
    ],
)
def test_each_sum_is_compared_and_named(figures: dict[str, int]) -> None:
    difference = difference_of(processor_payment(**figures), own_payment(*CAPTURED))
    assert difference is not None
    assert (difference.order_id, difference.authorization_id, difference.state) == (A, "auth_1", "captured")
    assert difference.ours == Books("EUR", Sums(500, 500))
    assert difference.processor == Books("EUR", Sums(**{"authorized_minor": 500, "captured_minor": 500} | figures))
    assert (difference.why, difference.is_bookable) == (OTHER_FIGURES, True)


@pytest.mark.parametrize(
    ("figures", "why"),
    [
        ({"authorized_minor": 400, "captured_minor": 400}, OTHER_FIGURES),
        ({"currency": "USD"}, OTHER_CURRENCY),
        ({"order_id": B}, OTHER_ORDER),
    ],
)
def test_what_nobody_can_book_is_for_a_person(figures: dict[str, Any], why: str) -> None:
    difference = difference_of(processor_payment(**figures), own_payment(*CAPTURED))
    assert difference is not None
    assert (difference.why, difference.is_bookable) == (why, False)


def test_a_payment_that_only_we_know_is_named_with_our_sums() -> None:
    difference = only_ours(own_payment(*CAPTURED), "auth_1")
    assert (difference.ours, difference.processor) == (Books("EUR", Sums(500, 500)), None)
    assert (difference.why, difference.is_bookable) == (ONLY_OURS, False)


def test_what_time_has_ended_by_our_books_is_given_back_whether_the_processor_has_noticed_or_not() -> None:
    lapsed = (*AUTHORIZED, end_waits(LAPSES_MS), result(AUTHORIZE, "declined", 2))
    for voided_minor in (0, 500):
        assert (
            difference_of(processor_payment(captured_minor=0, voided_minor=voided_minor), own_payment(*lapsed)) is None
        )


@pytest.mark.parametrize(
    ("happened", "moves"),
    [(CAPTURED, False), (AUTHORIZING, True), (REFUNDING, True), (INSPECTING, True), (REQUIRES_ACTION, True)],
)
def test_what_is_under_way_is_compared_later(happened: tuple[Any, ...], *, moves: bool) -> None:
    assert is_moving(own_payment(*happened)) is moves


GIVEN_UP = (*REQUIRES_ACTION, OrderCancelled(), result(VOID))


@pytest.mark.parametrize("happened", [DECLINED, (*REQUIRES_ACTION, result(AUTHORIZE, "declined")), GIVEN_UP])
def test_money_of_an_authorisation_that_was_declined_or_given_up_is_nobodys(happened: tuple[Any, ...]) -> None:
    """Its customer has confirmed it after all, or the processor contradicts itself: no order stands for it."""
    known = {A: known_of(own_payment(*happened))}
    held = processor_payment(captured_minor=0)
    assert not is_ours(held, known)
    orphan = orphan_of(held, known)
    assert orphan is not None
    assert orphan.operation.kind is VOID


def test_what_is_disputed_or_lost_of_nobodys_money_is_not_given_back_too() -> None:
    orphan = orphan_of(processor_payment(disputed_minor=100, lost_minor=150), {})
    assert orphan is not None
    assert orphan.operation.amount_minor == 250


def test_totals_are_by_currency_and_a_report_names_only_so_many() -> None:
    report = Report(most=1)
    pounds, yen = Books("GBP", Sums(500, 500)), Books("JPY", Sums(7, 7))
    report.compare(pounds, pounds)
    report.compare(yen, Books("JPY", Sums(7, 7, refunded_minor=7)))
    report.compare(pounds, None)
    assert report.totals == {
        "GBP": Total(Sums(1000, 1000), Sums(500, 500)),
        "JPY": Total(Sums(7, 7), Sums(7, 7, refunded_minor=7)),
    }
    difference = only_ours(own_payment(*CAPTURED), "auth_1")
    report.differ(msgspec.structs.replace(difference, result=BOOKED))
    assert report.holds
    report.differ(difference)
    assert (len(report.differences), report.more_differences, report.holds) == (1, 1, False)
