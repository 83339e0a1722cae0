"""`lastunit room NAME`: one room as one process, for machines where something else keeps it up."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.local.room_process import RoomName, run_room_process


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("room")(room)


def room(name: Annotated[RoomName, typer.Argument(help="Which room to run.")]) -> None:
    """Run one room until SIGTERM. Exit status 70: start it again; 78: it needs a person first."""
    raise typer.Exit(run_room_process(name))
