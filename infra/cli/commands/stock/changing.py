"""`lastunit stock adjust | limit | suspend | resume | retire | quarantine clear`: commands that wait for their outcome."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from infra.cli.arguments import name_argument, name_option, seconds_option
from infra.cli.commands.stock.outcomes import carry_out
from infra.cli.output import AsJson
from producers.clients.stock import new_command_id
from schemas.limits import MAX_QUANTITY
from schemas.messages import AdjustStock, ClearQuarantine, ResumeSale, RetireSku, SetPurchaseLimit, SuspendSale

Sku = Annotated[str, name_argument("SKU", "Which.")]
CommandId = Annotated[
    str | None, name_option("ID", "Makes sending again harmless: a command of one id and SKU takes effect once.")
]
Timeout = Annotated[float, seconds_option("How long to wait for the outcome.")]
EvenIfUnknown = Annotated[
    bool,
    typer.Option("--even-if-unknown", help="Also of a SKU of which no stock ever came in; unset: that is refused."),
]
Reason = Annotated[str, name_option("TEXT", "Why; it stays in the ledger.")]


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
    carry_out(command, timeout, as_json=as_json)


def limit(
    sku: Sku,
    units: Annotated[
        int,
        typer.Argument(metavar="N", min=0, max=MAX_QUANTITY, help="Units that one customer may have; 0: any number."),
    ],
    *,
    even_if_unknown: EvenIfUnknown = False,
    command_id: CommandId = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Limit what one customer may hold and buy of a SKU, counted from now on."""
    command = SetPurchaseLimit(command_id or new_command_id("limit"), sku, units, int(even_if_unknown))
    carry_out(command, timeout, as_json=as_json)


def suspend(
    sku: Sku,
    *,
    reason: Reason,
    even_if_unknown: EvenIfUnknown = False,
    command_id: CommandId = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Take a SKU off sale; what is held or allocated goes on."""
    command = SuspendSale(command_id or new_command_id("suspend"), sku, reason, int(even_if_unknown))
    carry_out(command, timeout, as_json=as_json)


def resume(sku: Sku, *, command_id: CommandId = None, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """Put a suspended SKU on sale again."""
    carry_out(ResumeSale(command_id or new_command_id("resume"), sku), timeout, as_json=as_json)


def retire(sku: Sku, *, command_id: CommandId = None, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """End a SKU of which nothing is left; it comes back when units come in. Exit status 1: refused."""
    carry_out(RetireSku(command_id or new_command_id("retire"), sku), timeout, as_json=as_json)


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
    carry_out(command, timeout, as_json=as_json)
