"""What became of a file, for people: sums first, then what is not as it should be, by name, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from infra.cli.commands.orders.running import Outcomes, Result
from infra.cli.output import counted, stdout
from producers.importing.report import ImportReport, LeftOut, Tally
from schemas.money import format_minor

NAMED: Final = 20
"""Rejects, credit notes and the like that are named; --json names a thousand, the rejects file all."""
SHOWN_SKUS: Final = 3


def show(result: Result, file: Path) -> None:
    """Print the result of an import."""
    report, console = result.report, stdout()
    console.print(Text(f"{file} ({report.format}, {report.encoding}), as orders of {report.source}"))
    console.print(_sums(report))
    for line in (*_not_placed(report), *_beside(report), *_stock(result), *_outcomes(result.outcomes), *report.notes):
        console.print(Text(line))


def _sums(report: ImportReport) -> Table:
    table = Table("", "orders", "lines", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    tallies: list[tuple[str, Tally | int]] = [
        ("would be placed", report.found) if report.dry_run else ("placed now", report.placed),
        ("already imported", report.already_imported),
        ("changed since, left alone", report.changed),
        ("not placed", report.rejected),
        ("credit notes", report.credit_notes),
        ("adjustments", report.adjustments),
    ]
    for number, (what, tally) in enumerate(tallies):
        orders, lines = (tally.orders, f"{tally.lines:,}") if isinstance(tally, Tally) else (tally, "")
        if orders or not number:
            table.add_row(what, f"{orders:,}", lines)
    rows = f"{report.rows:,} rows" + (f", {report.blank_rows:,} of them blank" if report.blank_rows else "")
    table.add_row("in the file", f"{report.found.orders + report.rejected:,}", rows, style="bold", end_section=True)
    return table


def _not_placed(report: ImportReport) -> Iterable[str]:
    if report.rejected or report.stray_rows:
        kinds = [f"{orders:,} {kind.replace('_', ' ')}" for kind, orders in report.rejected_by.items()]
        yield f"\nNot placed: {', '.join(kinds)}"
        yield from _some(list(map(str, report.rejects)), report.rejected + report.stray_rows)
    if report.changed_ids:
        yield f"\nChanged since they were imported, and left alone: {_listed(report.changed_ids, report.changed.orders)}"
    if not report.found.orders and not report.rejected:
        yield "\nThere is no order in the file."


def _beside(report: ImportReport) -> Iterable[str]:
    for name, left_out in report.left_out.items():
        yield f"Left out as {name} in {counted(left_out.orders, 'order')}: {_amounts(left_out)}"
    if report.rounded.orders:
        yield f"Rounded in {counted(report.rounded.orders, 'order')}, in all by {_amounts(report.rounded)}"
    if report.placed_again:
        yield f"{report.placed_again:,} of the orders placed now had ended without a sale before."
    if report.credits:
        asked = any(credit.result != "listed" for credit in report.credits)
        hint = "" if asked else "; --returns requests returns for them"
        yield f"\nCredit notes{hint}:"
        yield from _some(
            [f"{credit.number}: row {credit.row}: {credit.result}" for credit in report.credits], report.credit_notes
        )
    if report.adjustment_ids:
        yield f"Adjustments, which are no orders: {_listed(report.adjustment_ids, report.adjustments)}"
    if report.received:
        units, skus = sum(report.received.values()), len(report.received)
        yield f"Received before: {counted(units, 'unit')} of {counted(skus, 'SKU')}."


def _stock(result: Result) -> Iterable[str]:
    if missing := result.skus_without_stock:
        shown = ", ".join(missing[:SHOWN_SKUS]) + ", ..." * (len(missing) > SHOWN_SKUS)
        yield (
            f"\n{len(missing):,} of the {result.skus:,} SKUs ordered never had stock ({shown}), so their orders are "
            "rejected. `lastunit stock receive` brings units in, --stock all or --stock FILE does so before the orders; "
            "then --again places what was rejected."
        )


def _outcomes(outcomes: Outcomes | None) -> Iterable[str]:
    if outcomes is None:
        return
    if outcomes.states:
        yield f"\nOutcome: {', '.join(f'{count:,} {state}' for state, count in outcomes.states.items())}"
    unsold = [
        f"{order.number}: {order.state} ({order.reason or 'in time'}), order {order.order_id}"
        for order in outcomes.unsold_orders
    ]
    yield from _some(unsold, outcomes.unsold)
    yield from (f"Return for credit note {number}: {answer}" for number, answer in outcomes.returns.items())


def _amounts(left_out: LeftOut) -> str:
    return ", ".join(format_minor(minor, currency) for currency, minor in left_out.amount_minor.items())


def _some(lines: Sequence[str], of: int) -> Iterable[str]:
    yield from (f"  {line}" for line in lines[:NAMED])
    if of > NAMED:
        yield f"  and {of - NAMED:,} more: --json names {len(lines):,}, and --rejects FILE takes the rows of all"


def _listed(names: Sequence[str], of: int) -> str:
    return ", ".join(names[:NAMED]) + (f" and {of - NAMED:,} more" if of > NAMED else "")
