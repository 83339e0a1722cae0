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
    found = [it for it in read_readiness(folder) if process in {"", it.process}]
    if as_json:
        print_json([{"alive": it.is_alive, **_fields(it)} for it in found])
    else:
        for it in found:
            stdout().print(_line(it), markup=False)
    if not found:
        fail(f"No process shows itself in {folder}.")
    if not all(it.ready and it.is_alive for it in found):
        raise typer.Exit(FAILED)


def _fields(readiness: ProcessReadiness) -> dict[str, object]:
    return {name: getattr(readiness, name) for name in readiness.__struct_fields__}


def _line(it: ProcessReadiness) -> str:
    if not it.is_alive:
        return f"{it.process} ({it.pid}) hangs: it has shown nothing since it should have"
    if it.ready:
        return f"{it.process} ({it.pid}) is ready"
    return f"{it.process} ({it.pid}) is not ready: {'; '.join(it.obstacles.values())}"
