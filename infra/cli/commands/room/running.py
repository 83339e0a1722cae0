"""Run rooms as one process."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from infra.base.settings import PREFIX
from infra.local.room_process import run_room_process
from infra.local.wiring import RUNNABLE


def _known(names: list[str]) -> list[str]:
    if unknown := [name for name in names if name not in RUNNABLE]:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(map(repr, RUNNABLE))}.")
    return names


def run(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar=f"[{'|'.join(RUNNABLE)}]...",
            help="Which rooms to run; those of one log share a reader.",
            callback=_known,
        ),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help=f"Log as JSON, as {PREFIX}LOG_FORMAT=json does.")] = False,
) -> None:
    """Run rooms until SIGTERM. Exit status 70: start it again; 78: it needs a person first.

    orders, payments, fulfilment and notifications can share a reader, as `lastunit room saga` has them (with intake beside them):
    a record is fetched and decoded once. Run a room in one way everywhere: alone, or with the same others.
    """
    if as_json:
        os.environ[f"{PREFIX}LOG_FORMAT"] = "json"
    raise typer.Exit(run_room_process(names))
