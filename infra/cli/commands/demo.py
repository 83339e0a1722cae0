"""Let orders race for the last units, and check the books."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infra.cli import arguments, output
from infra.local.stack import progress_for, run_until_interrupted

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.demo.inputs import Race
    from infra.local.demo.run import Run

GENERATED_ORDERS: Final = 5_000


def demo(
    *,
    orders: Annotated[
        str, typer.Option(metavar="N|FILE.csv", help='How many orders to generate, or an "Online Retail" file.')
    ] = str(GENERATED_ORDERS),
    stock_factor: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            parser=arguments.stock_factor,
            show_default="0.9 for a file, 1 for generated orders",
            help="Share of each SKU's demand that is there; generated orders scale a scarcity of their own by it.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=arguments.MAX_INT, help="Decides what is generated.")] = 1,
    terms: Annotated[
        str, typer.Option(metavar="TERMS", help="Every order's terms: ship_available, capture_at_shipping or both.")
    ] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print the CPU time of each process too.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Let orders race for the last units on fresh servers, and check the books. Exit status 1: a promise is broken."""
    from infra.local.demo.inputs import race_of  # noqa: PLC0415  no other command should wait for these
    from infra.local.demo.run import run_demo  # noqa: PLC0415

    settings = output.quiet_settings()
    finished: list[Run] = []
    with output.errors_shown():
        race = race_of(orders, stock_factor=stock_factor, seed=seed, terms=terms)

        async def work() -> None:
            finished.append(await run_demo(race, settings, progress_for()))

        code = run_until_interrupted(work(), "Stopping the demo and removing what it made.")
    for run in finished:
        if as_json:
            output.print_json(run.result, indent=False)
        else:
            _show(race, run, settings.state_dir, verbose=verbose)
        if not run.result.is_good:
            output.fail(f"Logs and data are kept in {run.place.settings.state_dir} until a later demo.")
    raise typer.Exit(code)


def _show(race: Race, run: Run, folder: Path, *, verbose: bool) -> None:
    """Print the run, and leave its pictures in a folder."""
    from infra.local.demo.page import write_page  # noqa: PLC0415
    from infra.local.demo.report import print_report  # noqa: PLC0415

    try:
        pictures = os.path.relpath(write_page(folder, race, run.result, run.log))
    except OSError as error:
        pictures = f"none, as they cannot be written: {error}"
    print_report(output.stdout(), race, run.result, pictures=pictures, verbose=verbose)
