"""What `payments reconcile` prints for people: whole ids within 80 columns, and how far it is."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.payments.ledger import Sums
from consumers.payments.processor import Operation, OperationKind, ProcessorPayment
from infra.cli.commands.payments.showing import progress_of, show
from infra.ops.reconciliation.plan import OTHER_FIGURES, Books, Difference, Orphan
from infra.ops.reconciliation.report import OrphanFound, Report
from tests.given_when_then import A, B

AUTHORIZATION = "pi_3MtwBwLkdIwHu7ix28a3tqPa"


def report_of_a_difference() -> Report:
    report = Report(10)
    own_books = Books("EUR", Sums(authorized_minor=123_456_789, captured_minor=123_456_789))
    processor_books = Books(
        "EUR", Sums(authorized_minor=123_456_789, captured_minor=123_456_789, refunded_minor=99_999_999)
    )
    report.compare(own_books, processor_books)
    report.differ(Difference(A, AUTHORIZATION, "captured", OTHER_FIGURES, own_books, processor_books))
    payment = ProcessorPayment(AUTHORIZATION, B, "EUR", 500, 500, 0, 0, 0)
    back = Operation(f"{B}:refund:orphan", B, OperationKind.REFUND, 500, "EUR", "", "", AUTHORIZATION)
    report.find(OrphanFound(Orphan(payment, "declined", back), "succeeded"))
    return report


@pytest.mark.parametrize("columns", [80, 72])
def test_differences_fit_the_screen_and_break_no_id(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    show(report_of_a_difference(), book=False, fix=True)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    for text in (A, B, AUTHORIZATION, "EUR 999999.99", "not asked for", "refund EUR 5.00: succeeded"):
        assert any(text in line for line in lines) or text in " ".join(" ".join(lines).split()), text


def test_progress_is_shown_in_words() -> None:
    report: Any = report_of_a_difference()
    assert progress_of(Report(1), fix=False) == "0 payments compared"
    assert progress_of(report, fix=True) == "1 payment compared, 1 payment dealt with that no order stands for"
