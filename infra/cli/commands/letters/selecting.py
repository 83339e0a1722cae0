"""Which dead letters a command is about: its arguments, and the letters that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from infra.base.connections import address_of
from infra.cli.arguments import SHOWN
from infra.cli.output import fail, run
from infra.ops.letters.reading import Filter, Letter, LetterState, read_letters
from infra.ops.log import Log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.base.settings import Settings

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Letters by their partition and offset, as in 3/17.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="The letter's partition and offset, as in 3/17.")]
Room = Annotated[str, typer.Option(metavar="ROOM", help="Only those of this room.")]
Topic = Annotated[str, typer.Option(metavar="TOPIC", help="Only records of this topic, without its namespace.")]
Reason = Annotated[str, typer.Option(metavar="REASON", help="Only those with this reason.")]
Key = Annotated[str, typer.Option(metavar="KEY", help="Only records with this key: a SKU, an order id.")]


def _state(given: str) -> str:
    if given not in set(LetterState):
        raise typer.BadParameter(f"{given[:SHOWN]!r} is no state; give {', '.join(LetterState)}.")
    return given


State = Annotated[
    str | None,
    typer.Option(
        metavar="STATE",
        parser=_state,
        help="Only open, redriven, acknowledged or expired ones. Default: open; with ids: all.",
    ),
]
Why = Annotated[str, typer.Option(metavar="TEXT", help="Why; it is noted on operator.actions.")]
By = Annotated[str, typer.Option(metavar="NAME", help="Who does it; it is noted on operator.actions.")]


def states_of(given: str | None, otherwise: tuple[LetterState, ...]) -> tuple[LetterState, ...]:
    """Return the states that --state names, or others where it is not given."""
    return otherwise if given is None else (LetterState(given),)


def matching(settings: Settings, wanted: Filter) -> list[Letter]:
    """Read the letters that a filter takes, the oldest first. Ends the command where Kafka cannot be read."""
    return [letter for letter in run(_read(settings)) if wanted.takes(letter)]


def selected(settings: Settings, ids: Sequence[str] | None, wanted: Filter, state: str | None) -> list[Letter]:
    """Return the letters that a command is about: named by id, or by filter. Ends the command where nothing names any."""
    states = states_of(state, () if ids else (LetterState.OPEN,))
    wanted = msgspec.structs.replace(wanted, ids=tuple(ids or ()), states=states)
    if wanted == Filter(states=states):
        fail("Name letters by their ids, or by --room, --topic, --reason or --key.", 2)
    letters = matching(settings, wanted)
    if missing := set(wanted.ids) - {letter.id for letter in letters}:
        fail(
            f"There is no dead letter {', '.join(sorted(missing))} in the wanted state; see `lastunit letters list --all`."
        )
    return letters


async def _read(settings: Settings) -> list[Letter]:
    async with Log(address_of("kafka_bootstrap", settings), settings.namespace) as log:
        return await read_letters(log)
