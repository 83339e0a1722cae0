"""`lastunit stock park | unpark`: have what comes for a SKU wait behind a dead letter, and let it through."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from infra.base.connections import address_of, database, kafka_publisher
from infra.cli.arguments import name_argument, name_option, seconds_option
from infra.cli.commands.letters.handling import changes_in
from infra.cli.commands.stock.outcomes import carry_out
from infra.cli.output import AsJson, counted, fail, print_json, quiet_settings, run, stdout
from infra.ops.letters import redriving
from infra.ops.letters.reading import Filter, read_letters
from infra.ops.letters.unparking import Actor, Unparking
from infra.ops.log import Log
from producers.clients.stock import new_command_id
from schemas.messages import ParkSku
from topology.topics import INVENTORY_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.base.settings import Settings

Sku = Annotated[str, name_argument("SKU", "Which.")]


def park(
    sku: Sku,
    *,
    reason: Annotated[str, name_option("TEXT", "Why; it stays in the ledger.")],
    on_dead_letter: Annotated[
        bool, typer.Option("--on-dead-letter", help="Only from behind the SKU's next dead letter on; unset: at once.")
    ] = False,
    command_id: Annotated[
        str | None, name_option("ID", "Makes sending again harmless: a command of one id and SKU takes effect once.")
    ] = None,
    timeout: Annotated[float, seconds_option("How long to wait for the outcome.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Have what comes for a SKU wait as dead letters, in order, until `stock unpark`. Orders that were decided go on."""
    command = ParkSku(command_id or new_command_id("park"), sku, reason, int(on_dead_letter))
    carry_out(command, timeout, as_json=as_json)


def unpark(
    sku: Sku,
    *,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is noted on operator.actions.")],
    by: Annotated[str, typer.Option(metavar="NAME", help="Who does it; it is noted on operator.actions.")] = "",
    first: Annotated[
        list[str] | None,
        typer.Option(
            "--first", metavar="ID", help="Redrive this dead letter of the SKU before all. May be given again."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=JSON", help="With --first: give a field of the message this value."),
    ] = None,
    timeout: Annotated[float, seconds_option("How long all of it may take.")] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Let through what waits for a parked SKU, in the order in which it came; what comes meanwhile follows behind.

    Exit status 1: the SKU stays parked; run it again.
    """
    actor = Actor(by or getpass.getuser(), why)
    settings = quiet_settings()
    released = run(_unpark(settings, sku, actor, timeout, first=first or [], changes=changes or []))
    if as_json:
        print_json({"sku": sku, "released": released})
    else:
        stdout().print(f"{sku} is free; {counted(released, 'record')} waited and went through in order.")


async def _unpark(
    settings: Settings, sku: str, actor: Actor, timeout_seconds: float, *, first: Sequence[str], changes: Sequence[str]
) -> int:
    async with (
        Log(address_of("kafka_bootstrap", settings), settings.namespace) as log,
        kafka_publisher(settings) as publisher,
        database(settings) as connection,
    ):
        wanted = Filter(ids=tuple(first), topic=INVENTORY_COMMANDS.name, key=sku, states=())
        letters = [letter for letter in await read_letters(log) if wanted.takes(letter)] if first else []
        if missing := set(first) - {letter.id for letter in letters}:
            fail(f"{sku} has no dead letter {', '.join(sorted(missing))}; see `lastunit letters list --key {sku}`.")
        mended = redriving.plan(letters, changes_in(changes))
        return await Unparking(log, publisher, connection, sku, timeout_seconds).run(mended, actor)
