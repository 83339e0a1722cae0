"""See dead letters, and send them again."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from rich.text import Text

from infra.base.connections import address_of, kafka_publisher
from infra.base.spans import moment
from infra.cli.arguments import SHOWN, days
from infra.cli.groups import new_group
from infra.cli.output import AsJson, counted, fail, print_json, print_table, quiet_settings, run, stdout
from infra.ops.letters import redriving
from infra.ops.letters.misrouting import find_suspect
from infra.ops.letters.reading import Filter, Letter, LetterState, read_letters, shown_key
from infra.ops.log import Log
from producers.errors import UnusableOptionError
from topology.topics import TOPIC_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.base.settings import Settings
    from topology.foreign_partitioners import Suspect

app = new_group("letters", "See dead letters, and send them again.")

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

DAY_MS: Final = 86_400_000
HEX_BYTES: Final = 256
"""Bytes of a value that are shown raw."""


@app.command("list")
def list_letters(
    *,
    room: Room = "",
    topic: Topic = "",
    reason: Reason = "",
    key: Key = "",
    state: State = None,
    every: Annotated[bool, typer.Option("--all", help="Those that were handled too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the oldest first."""
    states = _states(state, () if every else (LetterState.OPEN,))
    letters = _matching(quiet_settings(), Filter((), room, topic, reason, key, states))
    if as_json:
        print_json([_document(letter) for letter in letters])
        return
    if not letters:
        stdout().print("There is no such dead letter.")
        return
    rows = [
        (
            letter.id,
            moment(letter.dead_at_ms)[:19],
            letter.source.room,
            letter.place,
            shown_key(letter.source.key),
            letter.source.reason,
            letter.state,
        )
        for letter in letters
    ]
    print_table(("id", "since (UTC)", "room", "record", "key", "reason", "state"), rows)


@app.command()
def show(letter_id: Id, *, as_json: AsJson = False) -> None:
    """Show one letter: its message beside its raw bytes, the reason, where it comes from, and what was done about it."""
    letter, misrouted_by = run(_one(quiet_settings(), letter_id))
    if as_json:
        print_json(_document(letter) | ({"misrouted_by": misrouted_by.text} if misrouted_by else {}))
        return
    stdout().print(_lines(letter, misrouted_by))


@app.command()
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
    letters = _selected(settings, ids, Filter((), room, topic, reason, key), state)
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


@app.command()
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
    letters = _selected(settings, ids, Filter((), room, topic, reason, key), LetterState.OPEN)
    run(_acknowledge(settings, letters, by or getpass.getuser(), why))
    if as_json:
        print_json({"letters": [letter.id for letter in letters]})
    else:
        stdout().print(f"{counted(len(letters), 'dead letter')} acknowledged.")


@app.command()
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
    letters = _matching(settings, Filter((), room, topic, reason, key, dead_before_ms=before_ms))
    if not dry_run and letters:
        run(_expire(settings, letters, by or getpass.getuser(), why))
    if as_json:
        print_json({"dry_run": dry_run, "letters": [letter.id for letter in letters]})
    else:
        stdout().print(f"{counted(len(letters), 'dead letter')} {'would be ' if dry_run else ''}expired.")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write them, a JSON document a line.")],
    *,
    room: Room = "",
    topic: Topic = "",
    reason: Reason = "",
    key: Key = "",
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Write dead letters to a file, a JSON document a line; bytes are in base64."""
    letters = _matching(quiet_settings(), Filter((), room, topic, reason, key, _states(state, ())))
    try:
        file.write_bytes(b"".join(msgspec.json.encode(_document(letter)) + b"\n" for letter in letters))
    except (OSError, ValueError) as error:
        fail(f"{str(file)[:SHOWN]} cannot be written: {getattr(error, 'strerror', None) or error}.")
    if as_json:
        print_json({"file": str(file), "letters": len(letters)})
    else:
        stdout().print(f"{counted(len(letters), 'dead letter')} written to {file}.")


# --- what they share ------------------------------------------------------------------------------------------------------


def _states(given: str | None, otherwise: tuple[LetterState, ...]) -> tuple[LetterState, ...]:
    return otherwise if given is None else (LetterState(given),)


def _matching(settings: Settings, wanted: Filter) -> list[Letter]:
    return [letter for letter in run(_read(settings)) if wanted.takes(letter)]


def _selected(settings: Settings, ids: Sequence[str] | None, wanted: Filter, state: str | None) -> list[Letter]:
    """Return the letters that a command is about: named by id, or by filter. Ends the command where nothing names any."""
    states = _states(state, () if ids else (LetterState.OPEN,))
    wanted = msgspec.structs.replace(wanted, ids=tuple(ids or ()), states=states)
    if wanted == Filter(states=states):
        fail("Name letters by their ids, or by --room, --topic, --reason or --key.", 2)
    letters = _matching(settings, wanted)
    if missing := set(wanted.ids) - {letter.id for letter in letters}:
        fail(
            f"There is no dead letter {', '.join(sorted(missing))} in the wanted state; see `lastunit letters list --all`."
        )
    return letters


async def _read(settings: Settings) -> list[Letter]:
    async with Log(address_of("kafka_bootstrap", settings), settings.namespace) as log:
        return await read_letters(log)


async def _one(settings: Settings, letter_id: str) -> tuple[Letter, Suspect | None]:
    """Return a letter, and who misrouted its record. Ends the command where there is none."""
    async with Log(address_of("kafka_bootstrap", settings), settings.namespace) as log:
        letters = await read_letters(log)
        letter = next((each for each in letters if each.id == letter_id), None)
        if letter is None:
            fail(f"There is no dead letter {letter_id}; see `lastunit letters list --all`.")
        return letter, await find_suspect(log, letters, letter)


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


def _document(letter: Letter) -> dict[str, Any]:
    message = letter.message
    return {
        "id": letter.id,
        "dead_at_ms": letter.dead_at_ms,
        "state": letter.state,
        "handled": letter.handled,
        "type": type(message).__name__ if message is not None else None,
        "message": message,
        "source": letter.source,
    }


def _lines(letter: Letter, misrouted_by: Suspect | None) -> Text:
    source, message = letter.source, letter.message
    value = source.value or b""
    raw = value[:HEX_BYTES].hex(" ") + (f" ... ({len(value):,} bytes)" if len(value) > HEX_BYTES else "")
    text = Text.assemble(
        (f"Dead letter {letter.id}", "bold"),
        f", {letter.state}, of {source.room}, since {moment(letter.dead_at_ms)[:19]} UTC\n",
        f"  reason   {source.reason}\n  detail   {source.detail}\n",
        f"  record   {letter.place}, appended {moment(source.at_ms)[:19]} UTC, key {shown_key(source.key)!r}\n",
    )
    if misrouted_by is not None:
        text.append(f"  put by   {misrouted_by.text}\n")
    for name, content in source.headers.items():
        text.append(f"  header   {name}: {content.decode(errors='backslashreplace')}\n")
    if message is None:
        text.append("  message  cannot be read\n")
    else:
        text.append(f"  message  {type(message).__name__} on {TOPIC_NAMES[type(message)]}\n")
        for name in message.__struct_fields__:
            text.append(f"           {name} = {getattr(message, name)!r}\n")
    text.append(f"  raw      {raw or '(no value)'}")
    for did in letter.handled:
        text.append(f"\n  {did.action}  by {did.by} at {moment(did.at_ms)[:19]} UTC: {did.why} ({did.detail})")
    return text
