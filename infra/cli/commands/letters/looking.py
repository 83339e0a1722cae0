"""See dead letters: all of them, one, or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from rich.text import Text

from infra.base.connections import address_of
from infra.base.spans import moment
from infra.cli.arguments import SHOWN
from infra.cli.commands.letters.selecting import Id, Key, Reason, Room, State, Topic, matching, states_of
from infra.cli.output import AsJson, counted, fail, print_json, print_table, quiet_settings, run, stdout
from infra.ops.letters.misrouting import find_suspect
from infra.ops.letters.reading import Filter, Letter, LetterState, read_letters, shown_key
from infra.ops.log import Log
from topology.topics import TOPIC_NAMES

if TYPE_CHECKING:
    from infra.base.settings import Settings
    from topology.foreign_partitioners import Suspect

HEX_BYTES: Final = 256
"""Bytes of a value that are shown raw."""


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
    states = states_of(state, () if every else (LetterState.OPEN,))
    letters = matching(quiet_settings(), Filter((), room, topic, reason, key, states))
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


def show(letter_id: Id, *, as_json: AsJson = False) -> None:
    """Show one letter: its message beside its raw bytes, the reason, where it comes from, and what was done about it."""
    letter, misrouted_by = run(_one(quiet_settings(), letter_id))
    if as_json:
        print_json(_document(letter) | ({"misrouted_by": misrouted_by.text} if misrouted_by else {}))
        return
    stdout().print(_lines(letter, misrouted_by))


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
    letters = matching(quiet_settings(), Filter((), room, topic, reason, key, states_of(state, ())))
    try:
        file.write_bytes(b"".join(msgspec.json.encode(_document(letter)) + b"\n" for letter in letters))
    except (OSError, ValueError) as error:
        fail(f"{str(file)[:SHOWN]} cannot be written: {getattr(error, 'strerror', None) or error}.")
    if as_json:
        print_json({"file": str(file), "letters": len(letters)})
    else:
        stdout().print(f"{counted(len(letters), 'dead letter')} written to {file}.")


async def _one(settings: Settings, letter_id: str) -> tuple[Letter, Suspect | None]:
    """Return a letter, and who misrouted its record. Ends the command where there is none."""
    async with Log(address_of("kafka_bootstrap", settings), settings.namespace) as log:
        letters = await read_letters(log)
        letter = next((each for each in letters if each.id == letter_id), None)
        if letter is None:
            fail(f"There is no dead letter {letter_id}; see `lastunit letters list --all`.")
        return letter, await find_suspect(log, letters, letter)


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
