"""Show what is set up wrong, and what mends it."""

from __future__ import annotations

import typer
from rich.text import Text

from infra.cli.output import FAILED, AsJson, print_json, quiet_settings, run, stdout
from infra.ops.doctor.examination import Check, examine


def doctor(*, as_json: AsJson = False) -> None:
    """Show what is set up wrong, and what mends it. Changes nothing. Exit status 1: an error stands."""
    checks = run(examine(quiet_settings()))
    is_ill = any(finding.severity == "error" for check in checks for finding in check.findings)
    if as_json:
        print_json({"healthy": not is_ill, "checks": checks})
    else:
        for check in checks:
            stdout().print(_lines(check))
    if is_ill:
        raise typer.Exit(FAILED)


def _lines(check: Check) -> Text:
    if not check.findings:
        return Text.assemble(("✓ ", "bold green"), check.name)
    text = Text()
    for place, finding in enumerate(check.findings):
        mark, style = ("✗ ", "bold red") if finding.severity == "error" else ("! ", "yellow")
        text.append("\n" if place else "").append(mark, style).append(f"{check.name}: {finding.what}\n")
        text.append(f"    {finding.to_do}", "dim")
    return text
