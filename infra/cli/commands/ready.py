"""Show whether the processes here are ready, or why not."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.base.readiness import ProcessReadiness, folder_of, read_readiness
from infra.cli.output import FAILED, AsJson, fail, print_json, quiet_settings, stdout

Name = Annotated[
    str, typer.Argument(metavar="[PROCESS]", help="Only this one, as in `orders`; unset: all that run here.")
]


def ready(process: Name = "", *, as_json: AsJson = False) -> None:
    """Tell whether the processes here are ready. Exit status 1: one is not, hangs, or none runs."""
    folder = folder_of(quiet_settings())
    processes = [shown for shown in read_readiness(folder) if process in {"", shown.process}]
    if as_json:
        print_json([{"alive": shown.is_alive, **_fields(shown)} for shown in processes])
    else:
        for shown in processes:
            stdout().print(_line(shown), markup=False)
    if not processes:
        fail(f"No process shows itself in {folder}.")
    if not all(shown.ready and shown.is_alive for shown in processes):
        raise typer.Exit(FAILED)


def _fields(readiness: ProcessReadiness) -> dict[str, object]:
    return {name: getattr(readiness, name) for name in readiness.__struct_fields__}


def _line(shown: ProcessReadiness) -> str:
    if not shown.is_alive:
        return f"{shown.process} ({shown.pid}) hangs: it has shown nothing since it should have"
    if shown.ready:
        return f"{shown.process} ({shown.pid}) is ready"
    return f"{shown.process} ({shown.pid}) is not ready: {'; '.join(shown.obstacles.values())}"
