"""How a comparison of both books is printed, for people and for programs."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from consumers.payments.ledger import Sums
from infra.cli.output import counted, print_table, print_text, stdout
from infra.ops.reconciliation.plan import OTHER_FIGURES, Books, Difference
from infra.ops.reconciliation.report import BOOKED, SUCCEEDED, OrphanFound, Report
from schemas.money import shown_minor

_WORDS: Final = {
    "authorized_minor": "authorised",
    "captured_minor": "captured",
    "voided_minor": "voided",
    "refunded_minor": "refunded",
    "disputed_minor": "disputed",
    "lost_minor": "lost in disputes",
}
NOT_ASKED: Final = "not asked for"


def document_of(report: Report) -> dict[str, Any]:
    """Return a report as a document for programs: amounts in minor units, each with its currency."""
    return {
        "holds": report.holds,
        "compared": report.compared,
        "under_way": report.under_way,
        "given_back": report.given_back,
        "forgotten": report.forgotten,
        "strangers": report.strangers,
        "totals": [
            {"currency": currency, "ours": total.ours, "processor": total.processor}
            for currency, total in sorted(report.totals.items())
        ],
        "differences": [_difference(each) for each in report.differences],
        "more_differences": report.more_differences,
        "orphans": [_orphan(each) for each in report.orphans],
        "more_orphans": report.more_orphans,
    }


def show(report: Report, *, book: bool, fix: bool) -> None:
    """Print a report for people."""
    if report.totals:
        print_table(("currency", "books", *_WORDS.values()), _total_rows(report), right=set(_WORDS.values()))
        stdout().print()
    if report.differences:
        print_table(
            ("order", "authorisation", "what", "ours", "processor", "result"),
            [row for each in report.differences for row in _difference_rows(each)],
            right={"ours", "processor"},
        )
        stdout().print()
    if report.orphans:
        print_table(
            ("order", "because", "gives it back", "amount", "result", "authorisation"),
            [_orphan_row(each) for each in report.orphans],
            right={"amount"},
        )
        stdout().print()
    print_text(_verdict(report, book=book, fix=fix))


def _verdict(report: Report, *, book: bool, fix: bool) -> str:
    """Return in sentences what was found, and what to do about it."""
    booked = sum(each.result == BOOKED for each in report.differences)
    differ = len(report.differences) + report.more_differences
    orphans = len(report.orphans) + report.more_orphans
    sentences = [f"{counted(report.compared, 'payment')} compared."]
    if not differ:
        sentences.append("Both books agree.")
    elif book:
        sentences.append(f"{differ:,} differed, {booked:,} of those named are booked.")
    else:
        sentences.append(
            f"{differ:,} {'differs' if differ == 1 else 'differ'}: `lastunit payments reconcile --book` has them booked."
        )
    if orphans:
        returned = sum(each.result == SUCCEEDED for each in report.orphans)
        hint = (
            f"; {returned:,} of those named are given back"
            if fix
            else ": `lastunit payments reconcile --fix` gives the money back"
        )
        sentences.append(f"No order stands for {counted(orphans, 'payment')}{hint}.")
    if report.more_differences or report.more_orphans:
        sentences.append(f"{report.more_differences + report.more_orphans:,} more are not named (--limit).")
    if report.under_way:
        sentences.append(f"{report.under_way:,} were left out, since something is under way for them.")
    if report.forgotten:
        sentences.append(f"{report.forgotten:,} are older than what is kept.")
    if report.strangers:
        sentences.append(f"{report.strangers:,} name no order of ours and were left alone.")
    return " ".join(sentences)


def _total_rows(report: Report) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for currency, total in sorted(report.totals.items()):
        for books, sums in (("ours", total.ours), ("processor", total.processor)):
            amounts = (shown_minor(amount, currency) for amount in msgspec.structs.astuple(sums))
            rows.append((currency, books, *amounts))
    return rows


def _difference_rows(found: Difference) -> list[tuple[str, ...]]:
    """Return a row for each figure that differs; where more than figures differ, for each that is not zero."""
    ours, theirs = found.ours, found.processor or Books(found.ours.currency, Sums())
    head = (found.order_id, found.authorization_id)
    result = found.result or NOT_ASKED
    rows: list[tuple[str, ...]] = []
    if found.why != OTHER_FIGURES:
        rows.append((*head, found.why, "", "", result))
    for name, word in _WORDS.items():
        own, other = getattr(ours.sums, name), getattr(theirs.sums, name)
        if own != other or (ours.currency != theirs.currency and own):
            rows.append((*head, word, shown_minor(own, ours.currency), shown_minor(other, theirs.currency), result))
    return rows


def _difference(found: Difference) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.structs.asdict(found)
    for side in ("ours", "processor"):
        books: Books | None = document[side]
        document[side] = {"currency": books.currency, **msgspec.structs.asdict(books.sums)} if books else None
    return document


def _orphan(found: OrphanFound) -> dict[str, Any]:
    payment, operation = found.orphan.payment, found.orphan.operation
    return {
        "order_id": payment.order_id,
        "authorization_id": payment.authorization_id,
        "why": found.orphan.why,
        "operation": operation.kind,
        "amount_minor": operation.amount_minor,
        "currency": operation.currency,
        "result": found.result,
    }


def _orphan_row(found: OrphanFound) -> tuple[str, ...]:
    payment, operation = found.orphan.payment, found.orphan.operation
    amount = shown_minor(operation.amount_minor, operation.currency)
    result = found.result or NOT_ASKED
    return payment.order_id, found.orphan.why, operation.kind.value, amount, result, payment.authorization_id
