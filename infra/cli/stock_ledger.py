"""`lastunit stock history | reconcile`: a SKU's ledger as of any moment, and what its level, ledger and log say."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from infra.cli import stock
from infra.cli.output import FAILED, MISUSED, AsJson, fail, print_json, quiet_settings, run, stdout
from infra.cli.timeline import moment
from infra.ops.audit.ledger import Entry, Sides, Units, ledger_of, sides_of

REASON: Final = "stock reconcile"
WHERE: Final = Units.__struct_fields__


@stock.app.command()
def history(
    sku: Annotated[str, typer.Argument(metavar="SKU", help="Which.")],
    *,
    as_of: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", help="As it stood then, such as 2026-01-31T12:00:00 (UTC); default: now."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show all that changed a SKU, movements and holds as one ledger, with the level after each change.

    It is told from the log, so it takes the time of a replay of the SKU's partition.
    """
    until_ms = None if as_of is None else int(as_of.replace(tzinfo=as_of.tzinfo or UTC).timestamp() * 1000)
    entries = run(ledger_of(quiet_settings(), sku, until_ms))
    if not entries:
        fail(f"Nothing ever happened to {sku}{' by then' if as_of else ''}. Check the SKU: `lastunit stock show`.")
    if as_json:
        print_json([{**msgspec.to_builtins(it), "available": it.level.available} for it in entries])
        return
    stdout().print(_ledger(entries))


@stock.app.command()
def reconcile(
    skus: Annotated[list[str] | None, typer.Argument(metavar="[SKU]...", help="Which; without any, all.")] = None,
    *,
    counted: Annotated[
        list[str] | None,
        typer.Option(metavar="SKU=N", help="N units of it were counted on the shelf, repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Lay level, ledger and log of SKUs side by side, and propose what would set right what is sold.

    It changes nothing: a proposal is an AdjustStock command, for a person to send. Exit status 1: something disagrees.
    """
    counts = dict(map(_count, counted or ()))
    wanted = sorted({*(skus or ()), *counts}) or None
    found = run(sides_of(quiet_settings(), wanted))
    if missing := sorted(set(wanted or ()) - {it.sku for it in found}):
        fail(f"Nothing is known of {', '.join(missing)}. Check the SKU: `lastunit stock show`.")
    proposals = {it.sku: change for it in found if (change := _proposed(it, counts.get(it.sku)))}
    if as_json:
        print_json([_document(it, proposals.get(it.sku)) for it in found])
    else:
        _print(found, proposals)
    if proposals or not all(it.agree for it in found):
        raise typer.Exit(FAILED)


def _proposed(sides: Sides, counted: int | None) -> int:
    """Return the change of on_hand that brings the level, from which is sold, to the count, or else to the log."""
    truth = sides.log.on_hand if counted is None else counted
    return truth - sides.level.on_hand


def _command(sku: str, change: int) -> str:
    """Return the command as one types it."""
    return f"lastunit stock adjust {shlex.quote(sku)} {change:+d} --reason {shlex.quote(REASON)}"


def _document(sides: Sides, change: int | None) -> dict[str, Any]:
    proposal = {"type": "AdjustStock", "sku": sides.sku, "change": change, "reason": REASON}
    return {
        **msgspec.to_builtins(sides),
        "agree": sides.agree,
        "proposal": {**proposal, "command": _command(sides.sku, change)} if change else None,
    }


def _print(found: list[Sides], proposals: dict[str, int]) -> None:
    table = Table("SKU", "by", *WHERE, "", box=None, pad_edge=False)
    for column in table.columns[2:-1]:
        column.justify = "right"
    for sides in found:
        for name in ("level", "ledger", "log"):
            units: Units = getattr(sides, name)
            cells = [f"{getattr(units, where):,}" for where in WHERE]
            mark = "" if units == sides.log else "differs"
            table.add_row(Text(sides.sku if name == "level" else ""), name, *cells, Text(mark, "bold red"))
    stdout().print(table)
    for sku, change in proposals.items():
        stdout().print(Text(_command(sku, change), "bold"))
    if any(not sides.agree for sides in found):
        stdout().print(
            Text(
                "Rows were changed behind the log, or a decision was: `lastunit verify` says which. A proposed command "
                "sets right what can be sold from now on; what was done behind the log stays visible."
            )
        )


def _ledger(entries: list[Entry]) -> Table:
    """Show one entry a line, whatever the width: what changed, the level after it, and what it came from below."""
    table = Table("time", "what", "change", "level after", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.overflow = "fold"  # ids must stay whole
    for it in entries:
        changed = (f"{where} {change:+,}" for where in WHERE if (change := getattr(it.change, where)))
        level = (f"{units:,} {where}" for where in ("available", *WHERE) if (units := getattr(it.level, where)))
        table.add_row(moment(it.at_ms), it.kind, ", ".join(changed), ", ".join(level))
        table.add_row("", "", Text(it.cause, "dim"), Text(it.note, "dim"))
    return table


def _count(text: str) -> tuple[str, int]:
    sku, _, units = text.rpartition("=")
    if not sku or not (units.isascii() and units.isdigit()):
        fail(f"--counted {text!r}: give SKU=N, as in MUG=12.", MISUSED)
    return sku, int(units)
