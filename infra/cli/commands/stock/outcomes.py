"""What became of a stock command: sent, waited for, and held against what its id stands for."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import typer
from rich.text import Text

from consumers.inventory.decide_stock import difference
from consumers.inventory.state import REFUSAL, LedgerEntry
from infra.base.connections import database, kafka_publisher
from infra.cli.output import FAILED, errors_shown, fail, print_json, quiet_settings, run, stderr, stdout
from infra.ops.stock import Level, levels_of
from producers.clients.stock import StockClient, check_stock_command
from schemas.messages import SkuCommand

if TYPE_CHECKING:
    from infra.base.settings import Settings

POLL_SECONDS: Final = 0.05
OUTCOME: Final = "SELECT kind, quantity, quarantined, note, at_ms FROM movements WHERE command_id = $1 AND sku = $2"


class Outcome(msgspec.Struct):
    """What became of a stock command: its row in the ledger, in units. `reason` says why it is refused."""

    command_id: str
    sku: str
    accepted: bool
    kind: str
    quantity: int
    quarantined: int
    reason: str
    at_ms: int
    level: Level | None = None


def carry_out(command: SkuCommand, timeout_seconds: float, *, as_json: bool) -> None:
    """Send a command, wait for its outcome and print it; a refusal ends with exit status 1."""
    with errors_shown():
        check_stock_command(command)
    outcome = run(_send(command, quiet_settings(), timeout_seconds))
    if outcome is None:
        fail(
            f"No outcome of {command.command_id} came within {timeout_seconds:g} s; it is in the log and will be "
            f"decided. See that inventory runs (`lastunit up`), then ask again: --command-id {command.command_id}."
        )
    if as_json:
        print_json(outcome)
    else:
        (stdout() if outcome.accepted else stderr()).print(_in_words(outcome))
    if not outcome.accepted:
        raise typer.Exit(FAILED)


async def _send(command: SkuCommand, settings: Settings, timeout_seconds: float) -> Outcome | None:
    async with database(settings) as connection:
        async with kafka_publisher(settings) as publisher:
            await StockClient(publisher).send([command])
        deadline = time.monotonic() + timeout_seconds
        while (row := await connection.fetchrow(OUTCOME, command.command_id, command.sku)) is None:
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(POLL_SECONDS)
        *entry, at_ms = row
        kind, quantity, quarantined, note = entry
        differs = None if kind == REFUSAL else difference(command, LedgerEntry(*entry))
        levels = await levels_of([command.sku], connection)
        return Outcome(
            command.command_id,
            command.sku,
            kind != REFUSAL and differs is None,
            kind,
            quantity,
            quarantined,
            differs or note,
            at_ms,
            levels[0] if levels else None,
        )


def _in_words(outcome: Outcome) -> Text:
    if not outcome.accepted:
        stays = f" It stays refused as {outcome.command_id}." if outcome.kind == REFUSAL else ""
        return Text(f"Refused: {outcome.sku}: {outcome.reason}.{stays}")
    words: list[Any] = [f"{outcome.sku}: {outcome.kind.replace('_', ' ')}"]
    words += [f" {outcome.quantity:+d} on hand"] if outcome.quantity else []
    words += [f" {outcome.quarantined:+d} in quarantine"] if outcome.quarantined else []
    words += [f" ({outcome.reason})"] if outcome.reason else []
    if (level := outcome.level) is not None:
        words.append(f", now {level.on_hand} on hand, {level.available} available")
    return Text("".join(words))
