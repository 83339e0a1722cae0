"""`lastunit stock receive | show`: bring units in, and see how many are there."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec
import typer

from infra.base.connections import database, kafka_publisher
from infra.base.settings import Settings
from infra.cli.arguments import name_argument, name_option, seconds_option
from infra.cli.commands.stock.outcomes import carry_out
from infra.cli.output import MISUSED, AsJson, errors_shown, fail, print_json, print_table, quiet_settings, run, stdout
from infra.ops.skus import did_you_mean, unknown_skus
from infra.ops.stock import Level, levels_of
from producers.clients.stock import Receipt, StockClient, receive_stock

SHOWN: Final = 60
UNITS: Final = ("on_hand", "reserved", "allocated", "quarantined", "available")
_QUANTITY: Final = re.compile(r"\d{1,18}", re.ASCII)
_SIGNED: Final = re.compile(r"-\d+", re.ASCII)


def receive(
    items: Annotated[list[str], typer.Argument(metavar="SKU QTY | SKU=QTY...", help="What came in.")],
    *,
    command_id: Annotated[
        str | None, name_option("ID", "Makes sending again harmless: units of one id come in once.")
    ] = None,
    timeout: Annotated[float, seconds_option("With --command-id: how long to wait for the outcome.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Bring units of a SKU in: `stock receive MUG 10`, or several as `stock receive MUG=10 TIN=5`.

    With --command-id it waits for the outcome. Exit status 1: the id stands for something else.
    """
    settings = quiet_settings()
    receipts = _receipts(items, command_id)
    with errors_shown():
        commands = [receive_stock(receipt) for receipt in receipts]
    if command_id is not None:
        carry_out(commands[0], timeout, as_json=as_json)
        return
    run(_receive(receipts, settings))
    if as_json:
        print_json([msgspec.structs.asdict(receipt) for receipt in receipts])
        return
    for receipt in receipts:
        stdout().print(f"{receipt.quantity:,} x {receipt.sku} sent in as {receipt.command_id}")


def show(
    skus: Annotated[list[str] | None, name_argument("[SKU]...", "Which; without any, all.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the stock levels, as inventory has decided them."""
    levels, unknown = run(_levels(skus or None, quiet_settings()))
    if unknown:
        fail("\n".join(did_you_mean(sku, near) for sku, near in unknown.items()))
    if as_json:
        print_json(levels)
        return
    rows = [
        (
            level.sku,
            *(f"{getattr(level, name):,}" for name in UNITS),
            f"{level.purchase_limit:,}" if level.purchase_limit else "none",
            _sale(level),
        )
        for level in levels
    ]
    print_table(("SKU", *UNITS, "limit", "sale"), rows, right={*UNITS, "limit"})


def _sale(level: Level) -> str:
    sale = "retired" if level.is_retired else "suspended" if level.is_suspended else "on"
    if level.parking is None:
        return sale
    return f"{sale}, {'to be parked' if level.parking.is_armed else f'parked, {level.parking.waiting:,} wait'}"


async def _receive(receipts: list[Receipt], settings: Settings) -> None:
    async with kafka_publisher(settings) as publisher:
        await StockClient(publisher).receive(receipts)


async def _levels(skus: list[str] | None, settings: Settings) -> tuple[list[Level], dict[str, list[str]]]:
    """Return the levels, and those of the SKUs that never had one with what may have been meant."""
    async with database(settings) as connection:
        return await levels_of(skus, connection), await unknown_skus(connection, skus or ())


def _receipts(items: list[str], command_id: str | None) -> list[Receipt]:
    pairs = _pairs(items)
    for sku, quantity in pairs:
        if sku and _SIGNED.fullmatch(quantity):
            fail(
                f"{quantity[:SHOWN]} units of {sku[:SHOWN]} cannot come in; units must be positive. To correct a count use "
                f"`lastunit stock adjust {sku[:SHOWN]} {quantity[:SHOWN]} --reason TEXT`.",
                MISUSED,
            )
        if not sku or not _QUANTITY.fullmatch(quantity):
            fail("Give what came in as SKU QTY or SKU=QTY, as in MUG 10 or MUG=10 TIN=5.", MISUSED)
    if command_id is not None and len(pairs) > 1:
        fail("--command-id names one receipt: give one SKU with it.", MISUSED)
    named: dict[str, Any] = {} if command_id is None else {"command_id": command_id}
    return [Receipt(sku=sku, quantity=int(quantity), **named) for sku, quantity in pairs]


def _pairs(items: list[str]) -> list[tuple[str, str]]:
    match items:
        case [sku, quantity] if "=" not in quantity:
            return [(sku, quantity)]
        case _:
            return [(sku, quantity) for sku, _, quantity in (item.rpartition("=") for item in items)]
