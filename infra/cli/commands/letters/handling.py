"""Send dead letters again, acknowledge them, let them expire; each is noted on operator.actions."""

from __future__ import annotations

import getpass
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from rich.text import Text

from infra.base.connections import kafka_publisher
from infra.cli.arguments import days
from infra.cli.commands.letters.selecting import By, Ids, Key, Reason, Room, State, Topic, Why, matching, selected
from infra.cli.output import AsJson, counted, print_json, quiet_settings, run, stdout
from infra.ops.letters import redriving
from infra.ops.letters.reading import Filter, Letter, LetterState, shown_key
from producers.errors import UnusableOptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.base.settings import Settings

DAY_MS: Final = 86_400_000


def redrive(
    ids: Ids = None,
    *,
    why: Why,
    by: By = "",
    room: Room = "",
    topic: Topic = "",
    reason: Reason = "",
    key: Key = "",
    state: State = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=JSON", help="Give a field of the message this value. May be given again."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish dead letters to their topics again, in their original order. A room takes what it has decided before for a duplicate."""
    settings = quiet_settings()
    letters = selected(settings, ids, Filter((), room, topic, reason, key), state)
    planned = run(_planned(letters, changes or []))
    if not dry_run and planned:
        run(_redrive(settings, planned, by or getpass.getuser(), why))
    if as_json:
        print_json({"dry_run": dry_run, "letters": [_step(each) for each in planned]})
        return
    for each in planned:
        changed = f", with another {', '.join(each.changed)}" if each.changed else ""
        key_shown = shown_key(each.record.key)
        stdout().print(
            Text(f"{each.letter.id}  {each.letter.place} -> {each.record.topic}, key {key_shown!r}{changed}")
        )
    done = "would be sent again" if dry_run else "sent again"
    stdout().print(f"{counted(len(planned), 'dead letter')} {done}.")


def acknowledge(
    ids: Ids = None,
    *,
    why: Why,
    by: By = "",
    room: Room = "",
    topic: Topic = "",
    reason: Reason = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Note that nothing is to be done about these letters; they are no longer listed as open."""
    settings = quiet_settings()
    letters = selected(settings, ids, Filter((), room, topic, reason, key), LetterState.OPEN)
    run(_acknowledge(settings, letters, by or getpass.getuser(), why))
    if as_json:
        print_json({"letters": [letter.id for letter in letters]})
    else:
        stdout().print(f"{counted(len(letters), 'dead letter')} acknowledged.")


def expire(
    *,
    older_than: Annotated[
        float, typer.Option(metavar="DAYS", parser=days, help="Only those that have been dead for longer.")
    ],
    why: Why,
    by: By = "",
    room: Room = "",
    topic: Topic = "",
    reason: Reason = "",
    key: Key = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count them; note nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Note that open letters are too old for anything to be done; they are no longer listed as open. Their records stay."""
    settings = quiet_settings()
    before_ms = round(time.time() * 1000 - older_than * DAY_MS)
    letters = matching(settings, Filter((), room, topic, reason, key, dead_before_ms=before_ms))
    if not dry_run and letters:
        run(_expire(settings, letters, by or getpass.getuser(), why))
    if as_json:
        print_json({"dry_run": dry_run, "letters": [letter.id for letter in letters]})
    else:
        stdout().print(f"{counted(len(letters), 'dead letter')} {'would be ' if dry_run else ''}expired.")


async def _planned(letters: Sequence[Letter], changes: Sequence[str]) -> list[redriving.Redrive]:
    return redriving.plan(letters, changes_in(changes))


def changes_in(options: Sequence[str]) -> dict[str, Any]:
    """Return the new values of fields that --set names. Raises UnusableOptionError."""
    return dict(map(_change, options))


def _change(text: str) -> tuple[str, Any]:
    """Read FIELD=JSON; what is no JSON is taken as text. Raises UnusableOptionError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UnusableOptionError(f"--set wants FIELD=JSON, as in --set quantity=2, and got {text!r}.")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value


async def _redrive(settings: Settings, planned: Sequence[redriving.Redrive], by: str, why: str) -> None:
    async with kafka_publisher(settings) as publisher:
        await redriving.redrive(publisher, planned, by=by, why=why)


async def _acknowledge(settings: Settings, letters: Sequence[Letter], by: str, why: str) -> None:
    async with kafka_publisher(settings) as publisher:
        await redriving.acknowledge(publisher, letters, by=by, why=why)


async def _expire(settings: Settings, letters: Sequence[Letter], by: str, why: str) -> None:
    async with kafka_publisher(settings) as publisher:
        await redriving.expire(publisher, letters, by=by, why=why)


def _step(each: redriving.Redrive) -> dict[str, Any]:
    return {
        "id": each.letter.id,
        "from": each.letter.place,
        "topic": each.record.topic,
        "key": shown_key(each.record.key),
        "changed": each.changed,
    }
