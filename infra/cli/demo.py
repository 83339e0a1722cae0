"""`lastunit demo`: orders race for the last units on a system of their own, and the books are checked afterwards."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from infra.demo.inputs import GENERATED_ORDERS, Race, race_of
from infra.demo.place import Place
from infra.demo.report import print_report
from infra.demo.result import Result
from infra.demo.run import run_demo
from infra.errors import InfraError
from infra.logs import set_up_logging
from infra.settings import load_settings
from infra.stack import progress_for, run_until_interrupted
from producers.errors import ProducerError
from topology.errors import TopologyError

BROKEN = 1
COULD_NOT_RUN = 2


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    *,
    orders: Annotated[
        str, typer.Option(metavar="N|FILE.csv", help='How many orders to generate, or an "Online Retail" file.')
    ] = str(GENERATED_ORDERS),
    stock_factor: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Share of the demand that is there. Default: 0.9 for a file, 1 for generated orders, which have a scarcity of their own.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides what is generated.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on the last line instead.")] = False,
) -> None:
    """Let orders race for the last units on fresh servers, and check the books. Exit status 1: a promise is broken."""
    results: list[tuple[Race, Result, Place]] = []

    async def run() -> None:
        settings = load_settings()
        set_up_logging(settings.model_copy(update={"log_level": "warning"}))
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its retries are no news to whoever watches a demo
        race = race_of(orders, stock_factor=stock_factor, seed=seed)
        results.append((race, *await run_demo(race, settings, progress_for())))

    try:
        code = run_until_interrupted(run(), "Stopping the demo and removing what it made.")
    except (InfraError, TopologyError, ProducerError) as error:
        Console(stderr=True, soft_wrap=True).print(str(error), markup=False, highlight=False)
        raise typer.Exit(COULD_NOT_RUN) from None
    for race, result, place in results:
        if as_json:
            print(msgspec.json.encode(result).decode())
        else:
            print_report(Console(), race, result)
        if not result.is_good:
            sys.stderr.write(f"Logs and data are kept in {place.settings.state_dir} until the next demo.\n")
            code = code or BROKEN
    raise typer.Exit(code)
