"""Make, rotate, revoke keys to API and console."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec
import typer
from rich.text import Text

from infra.base.connections import database
from infra.cli.arguments import SHOWN, name_argument
from infra.cli.arguments import days as days_
from infra.cli.groups import new_group
from infra.cli.output import MISUSED, AsJson, counted, fail, print_json, print_table, quiet_settings, run, stdout
from infra.edge.access.key_rows import KeyRow, MadeKey, create_key, list_keys, revoke_key, rotate_key
from infra.edge.access.scopes import ALL_SCOPES

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")
DEFAULT_DAYS: Final = 365.0
DEFAULT_OVERLAP: Final = 7.0
DAY: Final = timedelta(days=1)

app = new_group("keys", "Make, rotate, revoke keys to API and console.")

KeyId = Annotated[str, name_argument("KEY_ID", "As `keys list` prints it.")]
Days = Annotated[
    float, typer.Option(metavar="DAYS", parser=days_, help="How long the key is good; 0: until it is revoked.")
]


@app.command()
def create(
    name: Annotated[str, name_argument("NAME", "Whose key it is, for people.")],
    *,
    scope: Annotated[
        list[str], typer.Option(metavar="SCOPE", help=f"What it may be used for, repeatable: {', '.join(ALL_SCOPES)}.")
    ],
    days: Days = DEFAULT_DAYS,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it. It is not shown again: only its SHA-256 is kept."""
    if unknown := sorted(set(scope) - set(ALL_SCOPES)):
        fail(f"There is no scope {', '.join(unknown)[:SHOWN]!r}; give some of {', '.join(ALL_SCOPES)}.", MISUSED)
    scopes = [known for known in ALL_SCOPES if known in scope]
    _show_made(_in_database(lambda connection: create_key(connection, name, scopes, _lifetime(days))), as_json=as_json)


@app.command("list")
def list_(
    *,
    all_: Annotated[bool, typer.Option("--all", help="Also those that were revoked or are past their time.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the keys that are good, without their secrets."""
    keys = _in_database(lambda connection: list_keys(connection, with_ended=all_))
    if as_json:
        print_json(keys)
    elif not keys:
        stdout().print("There is no key; `lastunit keys create NAME --scope SCOPE` makes one.")
    else:
        headers = ("key", "name", "begins", "client", "made", "expires", "revoked", "last used", "scopes")
        print_table(headers, map(_cells, keys), wrap=True)


@app.command()
def rotate(
    key_id: KeyId,
    *,
    overlap: Annotated[
        float, typer.Option(metavar="DAYS", parser=days_, help="How long the old key is good beside the new one.")
    ] = DEFAULT_OVERLAP,
    days: Days = DEFAULT_DAYS,
    as_json: AsJson = False,
) -> None:
    """Make a new key in the place of one, with its name and scopes, and print it. Both are good during the overlap."""
    made = _in_database(
        lambda connection: rotate_key(connection, key_id, overlap=overlap * DAY, lifetime=_lifetime(days))
    )
    _show_made(made, as_json=as_json)
    if not as_json:
        stdout().print(f"{key_id} is good for {counted(round(overlap), 'more day')} at most.")


@app.command()
def revoke(key_id: KeyId, *, as_json: AsJson = False) -> None:
    """End a key now: every process refuses it within seconds."""
    revoked = _in_database(lambda connection: revoke_key(connection, key_id))
    if as_json:
        print_json(revoked)
    else:
        stdout().print(Text(f"{revoked.key_id} of {revoked.name} is revoked."))


def _show_made(made: MadeKey, *, as_json: bool) -> None:
    row = made.row
    if as_json:
        print_json({"key": made.key, **msgspec.to_builtins(row)})
        return
    until = f"until {_day(row.expires_at)}" if row.expires_at else "until it is revoked"
    stdout().print(Text(f"{row.key_id} of {row.name} allows {', '.join(row.scopes)}, {until}.\nKey: {made.key}"))


def _cells(row: KeyRow) -> tuple[str, ...]:
    return (
        *(row.key_id, row.name, row.hint, row.client if row.client != row.key_id else ""),
        *map(_day, (row.made_at, row.expires_at, row.revoked_at, row.last_used_at)),
        " ".join(row.scopes),
    )


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" if moment else ""


def _lifetime(days: float) -> timedelta | None:
    return days * DAY if days else None


def _in_database(work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    async def done() -> Any:
        async with database(quiet_settings()) as connection:
            return await work(connection)

    result: T = run(done())
    return result
