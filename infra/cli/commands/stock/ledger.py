"""`lastunit stock history | reconcile`: a SKU's ledger as of any moment, and what its level, ledger and log say."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from itertools import chain
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.cells import cell_len
from rich.text import Text

from infra.base.spans import moment as written
from infra.cli.arguments import MOMENTS, moment, name_argument
from infra.cli.output import (
    FAILED,
    MISUSED,
    AsJson,
    fail,
    print_json,
    print_table,
    print_text,
    quiet_settings,
    run,
    screen_width,
    stdout,
)
from infra.cli.tables import table
from infra.ops.audit.ledger import Entry, Sides, Units, ledger_of, sides_of

REASON: Final = "stock reconcile"
WHERE: Final = Units.__struct_fields__
MAX_DIGITS: Final = 18


def history(
    sku: Annotated[str, name_argument("SKU", "Which.")],
    *,
    as_of: Annotated[
        datetime | None,
        typer.Option(metavar="TIME", parser=moment, help=f"As it stood then, such as {MOMENTS}; unset: now."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show all that changed a SKU, movements and holds as one ledger, with the level after each change.

    It is read from the log, so it takes the time of a replay of the SKU's partition.
    """
    until_ms = None if as_of is None else int(as_of.timestamp() * 1000)
    entries = run(ledger_of(quiet_settings(), sku, until_ms))
    if not entries:
        fail(f"Nothing ever happened to {sku}{' by then' if as_of else ''}. Check the SKU: `lastunit stock show`.")
    if as_json:
        print_json([{**msgspec.to_builtins(entry), "available": entry.level.available} for entry in entries])
        return
    for line in ledger_lines(entries, screen_width()):
        stdout().print(line)


def reconcile(
    skus: Annotated[list[str] | None, name_argument("[SKU]...", "Which; without any, all.")] = None,
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
    compared = run(sides_of(quiet_settings(), wanted))
    if missing := sorted(set(wanted or ()) - {sides.sku for sides in compared}):
        fail(f"Nothing is known of {', '.join(missing)}. Check the SKU: `lastunit stock show`.")
    proposals = {sides.sku: change for sides in compared if (change := _proposed(sides, counts.get(sides.sku)))}
    if as_json:
        print_json([_document(sides, proposals.get(sides.sku)) for sides in compared])
    else:
        _print(compared, proposals)
    if proposals or not all(sides.agree for sides in compared):
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


def _print(compared: list[Sides], proposals: dict[str, int]) -> None:
    rows = []
    for sides in compared:
        for name in ("level", "ledger", "log"):
            units: Units = getattr(sides, name)
            differs = Text("" if units == sides.log else "differs", "bold red")
            cells = [f"{getattr(units, where):,}" for where in WHERE]
            rows.append((sides.sku if name == "level" else "", name, *cells, differs))
    print_table(("SKU", "by", *WHERE, ""), rows, right=WHERE)
    for sku, change in proposals.items():
        stdout().print(Text(_command(sku, change), "bold"))
    if any(not sides.agree for sides in compared):
        print_text(
            "Rows were changed behind the log, or a decision was: `lastunit verify` says which. A proposed command sets right "
            "what can be sold from now on; what was done behind the log stays visible."
        )


def ledger_lines(entries: Sequence[Entry], width: int) -> list[Text]:
    """Return the ledger, one entry a line; where that is too wide, what an entry came from stands on a line below it."""
    levels = ("available", *WHERE)
    rows = [
        (
            _when(entry),
            entry.kind,
            _change(entry),
            *(_units(getattr(entry.level, where)) for where in levels),
            entry.cause,
            entry.note,
        )
        for entry in entries
    ]
    lines = list(table(("time", "what", "change", *levels, "cause", "note"), rows, right=levels, width=width))
    if max(cell_len(line.plain) for line in lines) <= width:
        return lines
    narrow = table(("time", "what", "change", "available"), [row[:4] for row in rows], right={"available"})
    header = next(narrow)
    pairs = (
        (line, Text(f"  {entry.cause}  {entry.note}".rstrip(), "dim"))
        for line, entry in zip(narrow, entries, strict=True)
    )
    return [header, *chain.from_iterable(pairs)]


def _when(entry: Entry) -> str:
    return written(entry.at_ms)[:19]


def _change(entry: Entry) -> str:
    return ", ".join(f"{where} {change:+,}" for where in WHERE if (change := getattr(entry.change, where)))


def _units(units: int) -> str:
    return f"{units:,}"


def _count(text: str) -> tuple[str, int]:
    sku, _, units = text.rpartition("=")
    if not sku or not (units.isascii() and units.isdigit() and len(units) <= MAX_DIGITS):
        fail(f"--counted {text[:60]!r}: give SKU=N, as in MUG=12.", MISUSED)
    return sku, int(units)
