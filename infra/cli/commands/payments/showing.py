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
_BOTH: Final = ("ours", "processor")
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


def progress_of(report: Report, *, fix: bool) -> str:
    """Return in words how far a comparison is."""
    orphans = len(report.orphans) + report.more_orphans
    nobodys = (
        f", {counted(orphans, 'payment')} {'dealt with' if fix else 'found'} that no order stands for"
        if orphans
        else ""
    )
    return f"{counted(report.compared, 'payment')} compared{nobodys}"


def show(report: Report, *, book: bool, fix: bool) -> None:
    """Print a report for people."""
    if report.totals:
        print_table(("all payments", *_BOTH), _total_rows(report), right=_BOTH)
        stdout().print()
    for each in report.differences:
        print_text(f"{each.order_id}, authorisation {each.authorization_id}")
        print_table(("what", *_BOTH, "result"), _difference_rows(each), right=_BOTH, wrap=True)
    for orphan in report.orphans:
        print_text(_orphan_line(orphan))
    if report.differences or report.orphans:
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
    """Return a row for each figure of each currency that is not zero on both sides."""
    return [
        (word, shown_minor(own, currency), shown_minor(other, currency))
        for currency, total in sorted(report.totals.items())
        for name, word in _WORDS.items()
        if (own := getattr(total.ours, name)) | (other := getattr(total.processor, name))
    ]


def _difference_rows(difference: Difference) -> list[tuple[str, ...]]:
    """Return a row for each figure that differs; where more than figures differ, for each that is not zero."""
    own_books, processor_books = difference.ours, difference.processor or Books(difference.ours.currency, Sums())
    result = difference.result or NOT_ASKED
    rows: list[tuple[str, ...]] = []
    if difference.why != OTHER_FIGURES:
        rows.append((difference.why, "", "", result))
    for name, word in _WORDS.items():
        own, other = getattr(own_books.sums, name), getattr(processor_books.sums, name)
        if own != other or (own_books.currency != processor_books.currency and own):
            rows.append(
                (word, shown_minor(own, own_books.currency), shown_minor(other, processor_books.currency), result)
            )
    return rows


def _difference(difference: Difference) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.structs.asdict(difference)
    for side in ("ours", "processor"):
        books: Books | None = document[side]
        document[side] = {"currency": books.currency, **msgspec.structs.asdict(books.sums)} if books else None
    return document


def _orphan(reported: OrphanFound) -> dict[str, Any]:
    payment, operation = reported.orphan.payment, reported.orphan.operation
    return {
        "order_id": payment.order_id,
        "authorization_id": payment.authorization_id,
        "why": reported.orphan.why,
        "operation": operation.kind,
        "amount_minor": operation.amount_minor,
        "currency": operation.currency,
        "result": reported.result,
    }


def _orphan_line(reported: OrphanFound) -> str:
    payment, operation = reported.orphan.payment, reported.orphan.operation
    amount = shown_minor(operation.amount_minor, operation.currency)
    head = f"{payment.order_id}, authorisation {payment.authorization_id}"
    return f"{head}: {reported.orphan.why}; {operation.kind.value} {amount}: {reported.result or NOT_ASKED}"
