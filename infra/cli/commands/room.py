"""Run one room as a process of its own."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from infra.base.settings import PREFIX
from infra.local.room_process import RoomName, run_room_process


def room(
    name: Annotated[RoomName, typer.Argument(help="Which room to run.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help=f"Log as JSON, as {PREFIX}LOG_FORMAT=json does.")] = False,
) -> None:
    """Run one room until SIGTERM. Exit status 70: start it again; 78: it needs a person first."""
    if as_json:
        os.environ[f"{PREFIX}LOG_FORMAT"] = "json"
    raise typer.Exit(run_room_process(name))
