"""`lastunit orders import FILE`: the orders of another system become ours, once each and whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from infra.cli.arguments import name_option, seconds_option
from infra.cli.commands.orders.reporting import show
from infra.cli.commands.orders.running import ImportChoices, run_import
from infra.cli.output import FAILED, AsJson, errors_shown, print_json, quiet_settings, run, stderr
from producers.clients.orders import ACCEPTED_TOKEN
from producers.errors import UnusableOptionError
from producers.importing.formats import FORMATS
from producers.importing.importer import PlacingOptions
from producers.importing.options import (
    ReadOptions,
    Rounding,
    SkuCase,
    checked,
    parse_as_lines,
    parse_delimiter,
    parse_map,
    parse_names,
)
from producers.importing.report import Progress as ImportProgress
from producers.importing.stockfile import stock_in
from schemas.terms import WORDS

ALL: Final = "all"

Texts = list[str] | None


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Orders as CSV, a row for each line of an order.")],
    *,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help=f"Whose export it is: {', '.join(known_format.name for known_format in FORMATS)}; unset: by its header.",
        ),
    ] = "",
    map_: Annotated[
        Texts,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN,...",
            help='Which column holds what, as in order="Order ID",sku=SKU,quantity=Qty,price=Price. Repeatable.',
        ),
    ] = None,
    currency: Annotated[str, typer.Option(metavar="CODE", help="ISO 4217, where no column holds it.")] = "",
    delimiter: Annotated[str, typer.Option(metavar="SIGN", help="Between columns; unset: found out. Or: tab.")] = "",
    encoding: Annotated[str, typer.Option(metavar="NAME", help="Of the text, such as cp1252; unset: found out.")] = "",
    decimal_comma: Annotated[bool, typer.Option("--decimal-comma", help="12,50 is twelve and a half.")] = False,
    price_is_total: Annotated[
        bool, typer.Option("--unit-price-from-total", help="The price column holds the total of a row's units.")
    ] = False,
    rounding: Annotated[
        Rounding | None,
        typer.Option("--round", help="For unit prices with fractions of a cent; unset: their orders are not placed."),
    ] = None,
    waive: Annotated[
        Texts,
        typer.Option(
            metavar="NAME,...", help="Charges to leave out: shipping, tax, discount, fee, refund, total, a SKU."
        ),
    ] = None,
    spread: Annotated[Texts, typer.Option(metavar="NAME,...", help="Charges to share out among the lines.")] = None,
    charge: Annotated[
        Texts, typer.Option(metavar="NAME,...", help="Charges to place as discount, tax or shipping of the order.")
    ] = None,
    as_line: Annotated[
        Texts, typer.Option(metavar="NAME=SKU", help="A charge to place as a line of this SKU. Repeatable.")
    ] = None,
    sku_case: Annotated[SkuCase, typer.Option(help="How SKUs are spelt.")] = SkuCase.KEEP,
    whole_customer_ids: Annotated[
        bool, typer.Option("--whole-customer-ids", help="Read a customer 12345.0 as 12345.")
    ] = False,
    skip_stray_rows: Annotated[
        bool, typer.Option("--skip-stray-rows", help="Go on although there are rows that name no order.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The other system: one number of one source is one order; unset: the format."
        ),
    ] = None,
    token: Annotated[str, name_option("TOKEN", "What pays for every order.")] = ACCEPTED_TOKEN,
    terms: Annotated[Texts, typer.Option(metavar="WORD,...", help=f"For every order: {', '.join(WORDS)}.")] = None,
    stock: Annotated[
        str,
        typer.Option(metavar="FILE|all", help="Receive stock first: a file of SKU and quantity, or what is ordered."),
    ] = "",
    returns: Annotated[
        bool, typer.Option("--returns", help="Request returns for credit notes; unset: list them.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Place anew what was imported before and ended without a sale.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the rows go that are not placed, each with its reason.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for what becomes of the orders.")] = False,
    timeout: Annotated[float, seconds_option("How long to wait, after the last was placed.")] = 60.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only read the file and report.")] = False,
    as_json: AsJson = False,
) -> None:
    """Place the orders of a file, each whole or not at all. Importing it again places only what is missing.

    Exit status 1: an order of the file was not placed, or (with --wait) is no sale; 2: an option cannot be followed.
    """
    with errors_shown():
        settings = quiet_settings()
        reading = checked(
            ReadOptions(
                format=format_,
                columns=parse_map(map_ or ()),
                currency=currency,
                delimiter=parse_delimiter(delimiter),
                encoding=encoding,
                decimal_comma=decimal_comma,
                price_is_total=price_is_total,
                rounding=rounding,
                waived=parse_names(waive or ()),
                spread=parse_names(spread or ()),
                charged=parse_names(charge or ()),
                as_lines=parse_as_lines(as_line or ()),
                sku_case=sku_case,
                whole_customer_ids=whole_customer_ids,
                skip_stray_rows=skip_stray_rows,
            )
        )
        placing = PlacingOptions(
            source=source,
            payment_token=token,
            hold_seconds=settings.hold_seconds,
            terms=_terms(terms or ()),
            receive_stock=stock == ALL,
            return_credits=returns,
        )
        choices = ImportChoices(
            rejects=rejects,
            stock=stock_in(Path(stock)) if stock not in {"", ALL} else [],
            again=again,
            wait_seconds=timeout if wait else None,
            dry_run=dry_run,
        )
        with _progress() as progress:
            task = progress.add_task("counting", total=None)

            def advance(at: ImportProgress) -> None:
                what = "counting" if at.total_rows is None else "placing"
                progress.update(task, description=what, completed=at.rows, total=at.total_rows)

            result = run(run_import(file, settings, reading, placing, choices, advance=advance))
    if as_json:
        print_json(result)
    else:
        show(result, file)
    if not result.is_good:
        raise typer.Exit(FAILED)


def _terms(texts: list[str] | tuple[str, ...]) -> str:
    """Return the terms in their own order, however they were given. Raises UnusableOptionError."""
    words = {word for text in texts for word in text.replace(",", " ").split()}
    if unknown := sorted(words - set(WORDS)):
        raise UnusableOptionError(f"terms {', '.join(unknown)[:200]!r} are not known; give {', '.join(WORDS)}")
    return " ".join(word for word in WORDS if word in words)


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
