"""Check on the live system that every invariant holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from infra.cli.arguments import url
from infra.cli.output import FAILED, AsJson, print_json, quiet_settings, run, stdout
from infra.local.sandbox_processor.address import address_in
from infra.local.supervisor import PROCESSOR
from infra.ops.audit import verify as audit
from infra.ops.audit.report import PROMISES
from schemas.money import shown_minor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.base.settings import Settings
    from infra.ops.audit import Finding, Report

_SENTENCE_WIDTH: Final = max(len(sentence) for promise in PROMISES.values() for sentence in promise[:2])
_AMOUNT_ENDS: Final = _SENTENCE_WIDTH + 16
"""Column in which all figures end, so that they stand below each other."""

ProcessorUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        parser=url,
        help="Payment processor whose books are compared. Default: the one of the system that runs here.",
    ),
]


def verify(
    *,
    processor_url: ProcessorUrl = None,
    show_all: Annotated[bool, typer.Option("--all", help="Print every figure, not only what was checked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check every invariant on the live system: its tables against its log, decision by decision."""
    settings = quiet_settings()
    report = run(audit(settings, processor_url=processor_url or _processor_here(settings)))
    if as_json:
        print_json({"holds": report.holds, "invariants": report.invariants, "findings": report.findings})
    else:
        show(report, show_all=show_all)
    if not report.holds:
        raise typer.Exit(FAILED)


def show(report: Report, *, show_all: bool = False) -> None:
    """Print a report for people: the verdict first, then a sentence for each invariant, with breaches below it."""
    console = stdout()
    console.print(_verdict(report))
    console.print()
    for finding in report.findings:
        console.print(_line(finding))
        if show_all:
            for amount, name in _figures(finding):
                console.print(Text(f"{amount:>{_AMOUNT_ENDS}} {name}", "dim"))
        for example in finding.examples:
            console.print(Text(f"    {example}", "dim" if finding.holds else "red"))


def _verdict(report: Report) -> Text:
    if report.holds:
        return Text("Every invariant holds.", "bold green")
    return Text(f"{len(report.breaches)} of {len(report.findings)} invariants are broken.", "bold red")


def _line(finding: Finding) -> Text:
    """Return a mark, what holds or is broken, and how much was checked; it fits into 80 columns."""
    promise = PROMISES[finding.name]
    mark = Text("✓ ", "green") if finding.holds else Text("✗ ", "bold red")
    counted = f"{finding.figure.get(promise.counted, 0):,}"
    text = mark.append(f"{finding.sentence:<{_SENTENCE_WIDTH}}", "" if finding.holds else "bold red")
    return text.append(f"{counted:>{_AMOUNT_ENDS - _SENTENCE_WIDTH - 2}} {promise.unit}", "dim")


def _figures(finding: Finding) -> Iterator[tuple[str, str]]:
    """Yield (figure, what it counts) beside the one that every report shows; amounts with their currency."""
    for name, amount in finding.figure.items():
        if name != PROMISES[finding.name].counted:
            yield f"{amount:,}", name.replace("_", " ")
    for currency, amounts in finding.money.items():
        for name, amount_minor in amounts.items():
            yield shown_minor(amount_minor, currency), name.removesuffix("_minor").replace("_", " ")


def _processor_here(settings: Settings) -> str | None:
    """Return where the payment processor is: the named one, else the simulated one that runs here, if it does."""
    if settings.processor_url:
        return settings.processor_url
    address = address_in(settings.state_dir / PROCESSOR)
    return address.url if address is not None else None
