"""Pause a room or one partition of it, and let it go on."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from infra.base.connections import database
from infra.base.rooms import ROOMS
from infra.base.spans import moment
from infra.cli.arguments import MAX_INT, name_option
from infra.cli.output import AsJson, errors_shown, print_json, print_table, quiet_settings, run, stdout
from infra.ops import pausing
from infra.ops.pausing import Pause, Place

if TYPE_CHECKING:
    from infra.base.settings import Settings

Room = Annotated[str, typer.Argument(metavar="ROOM", help=f"One of {', '.join(ROOMS)}.")]
Partition = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, max=MAX_INT, help="Only this partition; without it every one."),
]
Why = Annotated[str, name_option("TEXT", "Why; it is noted on operator.actions.")]
By = Annotated[str, typer.Option(metavar="NAME", help="Who does it; it is noted on operator.actions.")]


def pause(room: Room, *, partition: Partition = None, why: Why, by: By = "", as_json: AsJson = False) -> None:
    """Have a room decide nothing more, after the batch in hand, until it is resumed: over restarts too. Processes stay ready."""
    settings, place = quiet_settings(), _place(room, partition)
    run(pausing.pause(settings, place, by=by or getpass.getuser(), why=why))
    _show(place, "paused", as_json=as_json)


def resume(room: Room, *, partition: Partition = None, why: Why, by: By = "", as_json: AsJson = False) -> None:
    """Let a room go on where it stood; without --partition all of it."""
    settings, place = quiet_settings(), _place(room, partition)
    run(pausing.resume(settings, place, by=by or getpass.getuser(), why=why))
    _show(place, "resumed", as_json=as_json)


def paused(*, as_json: AsJson = False) -> None:
    """List what is paused, by whom and why."""
    pauses = run(_read(quiet_settings()))
    if as_json:
        print_json(pauses)
    elif pauses:
        rows = [(pause_.place.text, moment(pause_.at_ms)[:19], pause_.by, pause_.why) for pause_ in pauses]
        print_table(("paused", "since (UTC)", "by", "why"), rows, wrap=True)
    else:
        stdout().print("Nothing is paused.")


def _place(room: str, partition: int | None) -> Place:
    with errors_shown():
        return Place.of(Place(room, partition).text)


def _show(place: Place, state: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"room": place.room, "partition": place.partition, "state": state})
    else:
        stdout().print(f"{place.text} is {state}.")


async def _read(settings: Settings) -> list[Pause]:
    async with database(settings) as connection:
        return await pausing.read_pauses(connection)
