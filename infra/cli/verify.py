"""`lastunit verify`: does the live system keep its promises? Exit status 0: all hold, 1: one is broken or cannot be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from infra.cli.output import FAILED, AsJson, print_json, quiet_settings, run, stdout
from infra.local.sandbox_processor.address import address_in
from infra.local.supervisor import PROCESSOR
from infra.ops.audit import verify as audit

if TYPE_CHECKING:
    from infra.base.settings import Settings
    from infra.ops.audit import Finding, Report

ProcessorUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Payment processor whose books are compared. Default: the one of the system that runs here."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(*, processor_url: ProcessorUrl = None, as_json: AsJson = False) -> None:
    """Check every invariant on the live system: its tables against its log, decision by decision."""
    settings = quiet_settings()
    report = run(audit(settings, processor_url=processor_url or _processor_here(settings)))
    if as_json:
        print_json({"holds": report.holds, "invariants": report.invariants, "findings": report.findings})
    else:
        show(report)
    if not report.holds:
        raise typer.Exit(FAILED)


def show(report: Report) -> None:
    """Print a report for people."""
    table = Table("", "invariant", "figures", box=None, pad_edge=False, header_style="bold")
    for finding in report.findings:
        mark = Text("✓", "green") if finding.holds else Text("✗", "bold red")
        table.add_row(mark, Text(finding.name.replace("_", " ")), Text(_figures(finding)))
        for example in finding.examples:
            table.add_row("", "", Text(example, "dim" if finding.holds else "red"))
    console = stdout()
    console.print(table)
    broken = len(report.breaches)
    verdict = f"{broken} of {len(report.findings)} do not hold." if broken else "Every invariant holds."
    console.print(Text(f"\n{verdict}", "bold red" if broken else "bold green"))


def _figures(finding: Finding) -> str:
    figures = [f"{name.replace('_', ' ')} {amount:,}" for name, amount in finding.figure.items()]
    return ", ".join(figures if finding.holds else [finding.detail, *figures])


def _processor_here(settings: Settings) -> str | None:
    """Return where the payment processor is: the named one, else the simulated one that runs here, if it does."""
    if settings.processor_url:
        return settings.processor_url
    address = address_in(settings.state_dir / PROCESSOR)
    return address.url if address is not None else None
