"""Make partitions ahead, and drop past ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer

from infra.base.weekly.ahead import FEW_WEEKS
from infra.cli.groups import new_group
from infra.cli.output import (
    FAILED,
    AsJson,
    counted,
    fail,
    print_json,
    print_table,
    print_text,
    quiet_settings,
    run,
    stdout,
)
from infra.ops.retention.run import Done, maintain
from infra.ops.retention.show import Shown, ShownWeek, look

app = new_group("maintenance", "Make partitions ahead, and drop past ones.")


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
        _print_done(done)


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


def _print_done(done: Done) -> None:
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
    """Print what holds rows or waits to be dropped; empty weeks ahead are one line."""
    if shown.weeks_ahead < FEW_WEEKS:
        print_text(f"Only {shown.weeks_ahead} weeks are ahead: `lastunit maintenance run` makes more.", "bold red")
    matter = [week for week in shown.weeks if week.rows or week.is_past or week.from_ms <= shown.at_ms]
    rows = [
        (week.name, _moment(week.from_ms), f"{week.rows:,}", _size(week.bytes), _moment(week.gone_at_ms), _note(week))
        for week in sorted(matter, key=lambda week: not week.is_past)
    ]
    rows += [(other.name, "", f"{other.rows:,}", _size(other.bytes), "never", "") for other in shown.others]
    print_table(("week", "from", "rows", "size", "dropped after", ""), rows, right={"rows", "size"})
    empty = [week.name for week in shown.weeks if week not in matter]
    if empty:
        print_text(f"\n{counted(len(empty), 'empty week')} ahead: {empty[0]} to {empty[-1]}.")
    print_text(f"\nRows are estimates. Whatever is still to be decided came in after {_moment(shown.floor_ms)}.")


def _note(week: ShownWeek) -> str:
    return f"kept: {_live(week.live)}" if week.live else "past" if week.is_past else ""


def _size(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _live(live: dict[str, Any]) -> str:
    return ", ".join(f"{count:,} unfinished {table.replace('_', ' ')}" for table, count in live.items())


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M") if ms else "unknown"
