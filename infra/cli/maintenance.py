"""`lastunit maintenance run | show`: which weeks the tables have, and what of them is past. It also runs by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from infra.base.weekly.ahead import FEW_WEEKS
from infra.cli.output import FAILED, AsJson, fail, print_json, quiet_settings, run, stdout
from infra.ops.retention.run import Done, maintain
from infra.ops.retention.show import Shown, look

app = typer.Typer(name="maintenance", no_args_is_help=True, help="Make partitions ahead, drop past ones.")


@app.command("run")
def run_now(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make and drop weeks now, and delete finished rows. Exit status 1: another process is at it."""
    done = run(maintain(quiet_settings(), dry_run=dry_run))
    if done is None:
        fail("Another process is at it. `lastunit maintenance show` says how things are.")
    if as_json:
        print_json(done)
    else:
        _say(done)


@app.command()
def show(*, as_json: AsJson = False) -> None:
    """List the partitions by week, with their rows and size, and when each may be dropped. Exit status 1: few are ahead."""
    shown = run(look(quiet_settings()))
    if as_json:
        print_json(msgspec.to_builtins(shown))
    else:
        _list(shown)
    if shown.weeks_ahead < FEW_WEEKS:
        raise typer.Exit(FAILED)


def _say(done: Done) -> None:
    would = "would be " if done.dry_run else ""
    lines = [
        f"{len(done.created)} weeks {would}made: {', '.join(done.created)}" if done.created else "",
        f"{len(done.dropped)} weeks {would}dropped: {', '.join(done.dropped)}" if done.dropped else "",
        *(f"{week} is past, but kept: {_live(live)}" for week, live in done.kept.items()),
        *(f"{week} is in use by a long reader; it comes up again" for week in done.busy),
        *(f"{count:,} finished rows of {table} deleted" for table, count in done.deleted.items() if count),
        f"Whatever is still to be decided came in after {_moment(done.floor_ms)}; {done.weeks_ahead} weeks are ahead.",
    ]
    for line in filter(None, lines):
        stdout().print(line)


def _list(shown: Shown) -> None:
    table = Table("week", "from", "rows", "size", "may be dropped after", "", box=None, pad_edge=False)
    for name in ("rows", "size"):
        next(it for it in table.columns if it.header == name).justify = "right"
    table.columns[0].overflow = "fold"
    for week in shown.weeks:
        note = "kept: " + _live(week.live) if week.live else "past" if week.is_past else ""
        cells = (_moment(week.from_ms), f"{week.rows:,}", f"{week.bytes / 2**20:,.1f} MiB", _moment(week.gone_at_ms))
        table.add_row(week.name, *cells, Text(note, "bold" if week.live else "dim"))
    for other in shown.others:
        table.add_row(other.name, "", f"{other.rows:,}", f"{other.bytes / 2**20:,.1f} MiB", "never", "")
    console = stdout()
    console.print(table)
    console.print(f"\nRows are estimates. Whatever is still to be decided came in after {_moment(shown.floor_ms)}.")
    if shown.weeks_ahead < FEW_WEEKS:
        console.print(
            Text(f"Only {shown.weeks_ahead} weeks are ahead: `lastunit maintenance run` makes more.", "bold red")
        )


def _live(live: dict[str, Any]) -> str:
    return ", ".join(f"{count:,} unfinished {table.replace('_', ' ')}" for table, count in live.items())


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M") if ms else "unknown"
