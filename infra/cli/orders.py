"""`lastunit orders import FILE.csv`: the orders of another system become ours, once each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from infra.cli.output import AsJson, errors_shown, print_json, quiet_settings, run, stderr, stdout
from infra.connections import database, kafka_publisher
from infra.settings import Settings
from producers.clients.orders import ACCEPTED_TOKEN, OrderClient
from producers.importing.importer import SOURCE, ImportReport, import_orders, survey
from producers.importing.importer import Progress as ImportProgress

NAMED: Final = 20
"""Changed orders that are named; --json names all."""

app = typer.Typer(name="orders", help="Many orders at once.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Many orders at once."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help='A file with the columns of "Online Retail".')],
    *,
    source: Annotated[
        str, typer.Option(help="The other system: one invoice number of one source is one order.")
    ] = SOURCE,
    token: Annotated[str, typer.Option(help="What pays for every order.")] = ACCEPTED_TOKEN,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read the file and count.")] = False,
    as_json: AsJson = False,
) -> None:
    """Place the orders of a file. Importing it again places only what is missing; every row is accounted for."""
    settings = quiet_settings()
    with _progress() as progress:
        task = progress.add_task("counting", total=None)

        def advance(at: ImportProgress) -> None:
            progress.update(
                task,
                description="counting" if at.total_rows is None else "placing",
                completed=at.rows,
                total=at.total_rows,
            )

        if dry_run:
            with errors_shown():
                report = survey(file, advance)
        else:
            report = run(_import(file, settings, source=source, token=token, advance=advance))
    if as_json:
        print_json(report)
    else:
        _show(report, file)


async def _import(
    file: Path, settings: Settings, *, source: str, token: str, advance: Callable[[ImportProgress], None]
) -> ImportReport:
    async with database(settings) as connection, kafka_publisher(settings) as publisher:
        return await import_orders(
            file,
            OrderClient(publisher),
            connection,
            source=source,
            payment_token=token,
            hold_seconds=settings.hold_seconds,
            on_progress=advance,
        )


def _progress() -> Progress:
    console = stderr()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _show(report: ImportReport, file: Path) -> None:
    console = stdout()
    table = Table("", "orders", "rows", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    tallies = {
        "would be placed" if report.dry_run else "placed now": report.found if report.dry_run else report.placed,
        "already imported": report.already_imported,
        "changed since, left alone": report.changed,
    }
    for what, tally in tallies.items():
        if tally.orders or tally is report.placed:
            table.add_row(what, f"{tally.orders:,}", f"{tally.lines:,}")
    for reason, rows in report.skipped_rows.items():
        table.add_row(f"skipped: {reason.replace('_', ' ')}", "", f"{rows:,}")
    table.add_row("all", f"{report.found.orders:,}", f"{report.rows:,}", style="bold", end_section=True)
    console.print(Text(f"{file} ({report.encoding}), as orders of {report.source}"))
    console.print(table)
    if report.changed_ids:
        some = ", ".join(report.changed_ids[:NAMED])
        console.print(Text(f"Changed: {some}{', ...' * (len(report.changed_ids) > NAMED)}"))
