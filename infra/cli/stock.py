"""`lastunit stock receive | show`: bring units in, and see how many are there.

The other commands of the group stand in `stock_commands.py` and `stock_ledger.py`.
"""

from __future__ import annotations

from typing import Annotated

import asyncpg
import msgspec
import typer
from rich.table import Table
from rich.text import Text

from infra.base.connections import database, kafka_publisher
from infra.base.settings import Settings
from infra.cli.output import MISUSED, AsJson, fail, print_json, quiet_settings, run, stdout
from producers.clients.stock import Receipt, StockClient

app = typer.Typer(name="stock", help="Bring units in, and see how many are there.", no_args_is_help=True)

LEVELS = """
SELECT sku, on_hand, reserved, allocated, quarantined,
    on_hand - reserved - allocated - quarantined AS available, purchase_limit, is_suspended, is_retired
FROM stock WHERE $1::text[] IS NULL OR sku = ANY($1) ORDER BY sku
"""


class Level(msgspec.Struct):
    """One SKU's level, in units, and how it may be sold. A `purchase_limit` of 0 is none."""

    sku: str
    on_hand: int
    reserved: int
    allocated: int
    quarantined: int
    available: int
    purchase_limit: int
    is_suspended: bool
    is_retired: bool


@app.command()
def receive(
    items: Annotated[list[str], typer.Argument(metavar="SKU QTY | SKU=QTY...", help="What came in.")],
    *,
    command_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Makes sending again harmless: units of one id come in once.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring units of a SKU in: `stock receive MUG 10`, or several as `stock receive MUG=10 TIN=5`."""
    settings = quiet_settings()
    receipts = _receipts(items, command_id)
    run(_receive(receipts, settings))
    if as_json:
        print_json([msgspec.structs.asdict(receipt) for receipt in receipts])
        return
    for receipt in receipts:
        stdout().print(Text(f"{receipt.quantity} x {receipt.sku} sent in as {receipt.command_id}"))


@app.command()
def show(
    skus: Annotated[list[str] | None, typer.Argument(metavar="[SKU]...", help="Which; without any, all.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the stock levels, as inventory has decided them."""
    levels = run(_levels(skus or None, quiet_settings()))
    if missing := sorted(set(skus or ()) - {level.sku for level in levels}):
        fail(f"No stock of {', '.join(missing)} ever came in. Bring some in: `lastunit stock receive {missing[0]} 10`.")
    if as_json:
        print_json(levels)
        return
    stdout().print(_table(levels))


def _table(levels: list[Level]) -> Table:
    units = ("on_hand", "reserved", "allocated", "quarantined", "available")
    table = Table("SKU", *units, "limit", "sale", box=None, pad_edge=False)
    for column in table.columns[1:-1]:
        column.justify = "right"
    for level in levels:
        sale = "retired" if level.is_retired else "suspended" if level.is_suspended else "on"
        limit = f"{level.purchase_limit:,}" if level.purchase_limit else "none"
        table.add_row(Text(level.sku), *(f"{getattr(level, name):,}" for name in units), limit, sale)
    return table


async def _receive(receipts: list[Receipt], settings: Settings) -> None:
    async with kafka_publisher(settings) as publisher:
        await StockClient(publisher).receive(receipts)


async def _levels(skus: list[str] | None, settings: Settings) -> list[Level]:
    async with database(settings) as connection:
        return await levels_of(skus, connection)


async def levels_of(skus: list[str] | None, connection: asyncpg.Connection) -> list[Level]:
    """Return the levels of these SKUs, or of all."""
    return [Level(**row) for row in await connection.fetch(LEVELS, skus)]


def _receipts(items: list[str], command_id: str | None) -> list[Receipt]:
    match items:
        case [sku, quantity] if "=" not in quantity:
            pairs = [(sku, quantity)]
        case _:
            pairs = [(sku, quantity) for sku, _, quantity in (item.rpartition("=") for item in items)]
    if any(not sku or not (quantity.isascii() and quantity.isdigit()) for sku, quantity in pairs):
        fail("Say what came in as SKU QTY or SKU=QTY, as in MUG 10 or MUG=10 TIN=5.", MISUSED)
    if command_id is None:
        return [Receipt(sku=sku, quantity=int(quantity)) for sku, quantity in pairs]
    if len(pairs) > 1:
        fail("--command-id names one receipt: give one SKU with it.", MISUSED)
    [(sku, quantity)] = pairs
    return [Receipt(sku=sku, quantity=int(quantity), command_id=command_id)]
