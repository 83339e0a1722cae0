"""`lastunit stock adjust | limit | suspend | resume | retire | quarantine clear`: commands that wait for their outcome."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import typer
from rich.text import Text

from consumers.inventory.state import REFUSAL
from infra.base.connections import database, kafka_publisher
from infra.cli.arguments import name_argument, name_option, seconds_option
from infra.cli.commands.stock.levels import Level, levels_of
from infra.cli.output import FAILED, AsJson, errors_shown, fail, print_json, quiet_settings, run, stderr, stdout
from producers.clients.stock import StockClient, StockCommand, check_stock_command, new_command_id
from schemas.limits import MAX_QUANTITY
from schemas.messages import AdjustStock, ClearQuarantine, ResumeSale, RetireSku, SetPurchaseLimit, SuspendSale

if TYPE_CHECKING:
    from infra.base.settings import Settings

POLL_SECONDS: Final = 0.05
OUTCOME: Final = "SELECT kind, quantity, quarantined, note, at_ms FROM movements WHERE command_id = $1 AND sku = $2"

Sku = Annotated[str, name_argument("SKU", "Which.")]
CommandId = Annotated[
    str | None, name_option("ID", "Makes sending again harmless: a command of one id and SKU takes effect once.")
]
Timeout = Annotated[float, seconds_option("How long to wait for the outcome.")]
Reason = Annotated[str, name_option("TEXT", "Why; it stays in the ledger.")]


class Outcome(msgspec.Struct):
    """What became of a stock command: its row in the ledger, in units. `reason` has the figures of a refusal."""

    command_id: str
    sku: str
    accepted: bool
    kind: str
    quantity: int
    quarantined: int
    reason: str
    at_ms: int
    level: Level | None = None


def adjust(
    sku: Sku,
    change: Annotated[
        int,
        typer.Argument(
            metavar="±N",
            min=-MAX_QUANTITY,
            max=MAX_QUANTITY,
            help="By how many units the count was wrong: 2, +2 or -2.",
        ),
    ],
    *,
    reason: Reason,
    command_id: CommandId = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Correct a count. Refused, with the figures, where units are promised to orders. Exit status 1: refused."""
    command = AdjustStock(command_id or new_command_id("adjust"), sku, change, reason)
    _carry_out(command, timeout, as_json=as_json)


def limit(
    sku: Sku,
    units: Annotated[
        int,
        typer.Argument(metavar="N", min=0, max=MAX_QUANTITY, help="Units that one customer may have; 0: any number."),
    ],
    *,
    command_id: CommandId = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Limit what one customer may hold and buy of a SKU, counted from now on."""
    command = SetPurchaseLimit(command_id or new_command_id("limit"), sku, units)
    _carry_out(command, timeout, as_json=as_json)


def suspend(
    sku: Sku,
    *,
    reason: Reason,
    command_id: CommandId = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Take a SKU off sale; what is held or allocated goes on."""
    command = SuspendSale(command_id or new_command_id("suspend"), sku, reason)
    _carry_out(command, timeout, as_json=as_json)


def resume(sku: Sku, *, command_id: CommandId = None, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """Put a suspended SKU on sale again."""
    _carry_out(ResumeSale(command_id or new_command_id("resume"), sku), timeout, as_json=as_json)


def retire(sku: Sku, *, command_id: CommandId = None, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """End a SKU of which nothing is left; it comes back when units come in. Exit status 1: refused."""
    _carry_out(RetireSku(command_id or new_command_id("retire"), sku), timeout, as_json=as_json)


def clear(
    sku: Sku,
    units: Annotated[int, typer.Argument(metavar="N", min=1, max=MAX_QUANTITY, help="How many units.")],
    *,
    to: Annotated[Literal["available", "scrap"], typer.Option(help="Sell them again, or write them off.")],
    command_id: CommandId = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """End the quarantine of units. Refused, with the figures, where there are fewer. Exit status 1: refused."""
    command = ClearQuarantine(command_id or new_command_id("clear"), sku, units, to)
    _carry_out(command, timeout, as_json=as_json)


def _carry_out(command: StockCommand, timeout_seconds: float, *, as_json: bool) -> None:
    """Send a command, wait for its outcome and print it; a refusal ends with exit status 1."""
    with errors_shown():
        check_stock_command(command)
    outcome = run(_send(command, quiet_settings(), timeout_seconds))
    if outcome is None:
        fail(
            f"Nothing was heard of {command.command_id} within {timeout_seconds:g} s; it is in the log and will be "
            f"decided. See that inventory runs (`lastunit up`), then ask again: --command-id {command.command_id}."
        )
    if as_json:
        print_json(outcome)
    else:
        (stdout() if outcome.accepted else stderr()).print(_in_words(outcome))
    if not outcome.accepted:
        raise typer.Exit(FAILED)


async def _send(command: StockCommand, settings: Settings, timeout_seconds: float) -> Outcome | None:
    async with database(settings) as connection:
        async with kafka_publisher(settings) as publisher:
            await StockClient(publisher).send([command])
        deadline = time.monotonic() + timeout_seconds
        while (row := await connection.fetchrow(OUTCOME, command.command_id, command.sku)) is None:
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(POLL_SECONDS)
        kind, quantity, quarantined, note, at_ms = row
        levels = await levels_of([command.sku], connection)
        return Outcome(
            command.command_id,
            command.sku,
            kind != REFUSAL,
            kind,
            quantity,
            quarantined,
            note,
            at_ms,
            levels[0] if levels else None,
        )


def _in_words(outcome: Outcome) -> Text:
    if not outcome.accepted:
        return Text(f"Refused: {outcome.sku}: {outcome.reason}. It stays refused as {outcome.command_id}.")
    words: list[Any] = [f"{outcome.sku}: {outcome.kind.replace('_', ' ')}"]
    words += [f" {outcome.quantity:+d} on hand"] if outcome.quantity else []
    words += [f" {outcome.quarantined:+d} in quarantine"] if outcome.quarantined else []
    words += [f" ({outcome.reason})"] if outcome.reason else []
    if (level := outcome.level) is not None:
        words.append(f", now {level.on_hand} on hand, {level.available} available")
    return Text("".join(words))
