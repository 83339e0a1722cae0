"""Fill the shop that runs here; show where an order goes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infra.base.connections import database, kafka_publisher
from infra.cli.arguments import MAX_INT, name_argument
from infra.cli.commands.catalogue import put_drafts
from infra.cli.groups import new_group
from infra.cli.output import FAILED, AsJson, errors_shown, fail, print_json, quiet_settings, run, stdout
from infra.edge.shop.delivery import address_of
from producers.clients.stock import StockClient, receipts_of
from producers.importing.productfile import read_products
from producers.importing.seeded_catalogue import seeded_catalogue
from schemas.ids import is_order_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.base.settings import Settings
    from infra.edge.shop.delivery import Address
    from producers.clients.catalogue import ProductDraft

app = new_group("shop", "Fill the shop that runs here; show where an order goes.")
SKUS_A_DELIVERY: Final = 2_000
UNITS: Final = (0, 0, 1, 3, 8, 25, 60, 150)
"""Stock of a demonstration's SKUs: some sold out, some nearly, most there."""


@app.command()
def demo(
    *,
    products: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A catalogue of your own, as for `catalogue import`.")
    ] = None,
    number: Annotated[int, typer.Option(min=1, max=1_000_000, help="Products to make without a file.")] = 2_000,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_INT, help="The same seed makes the same catalogue and stock.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Put a catalogue and its stock into the system that runs here."""
    settings = quiet_settings()
    with errors_shown():
        drafts = read_products(products).drafts if products else list(seeded_catalogue(seed, number))
        run(fill(settings, drafts, seed))
    skus = sum(len(draft.variants) for draft in drafts)
    if as_json:
        print_json({"products": len(drafts), "skus": skus})
    else:
        stdout().print(f"{len(drafts):,} products with {skus:,} SKUs are on their way into the shop.")
    if not drafts:
        raise typer.Exit(FAILED)


@app.command()
def address(
    order_id: Annotated[str, name_argument("ORDER_ID", "An order of the shop.")], *, as_json: AsJson = False
) -> None:
    """Show where an order of the shop goes, for whoever packs it."""
    settings = quiet_settings()
    if not is_order_id(order_id):
        fail(f"{order_id[:64]!r} is no order id.")
    with errors_shown():
        home = run(_address(settings, order_id))
    if home is None:
        fail(f"There is no address of {order_id}: it was placed without one, or its buyer has erased it.")
    if as_json:
        print_json(home)
    else:
        stdout().print("\n".join(home.rows), markup=False)


async def _address(settings: Settings, order_id: str) -> Address | None:
    async with database(settings) as connection:
        return await address_of(connection, order_id)


async def fill(settings: Settings, drafts: Sequence[ProductDraft], seed: int) -> None:
    """Put products and their stock into a system. Raises InfraError, PublishError."""
    draw = random.Random(seed)  # noqa: S311  stock to repeat, not a secret
    units = {variant.sku: draw.choice(UNITS) for draft in drafts for variant in draft.variants}
    await put_drafts(settings, drafts)
    skus = list(units)
    async with kafka_publisher(settings) as publisher:
        for start in range(0, len(skus), SKUS_A_DELIVERY):
            some = {sku: units[sku] for sku in skus[start : start + SKUS_A_DELIVERY]}
            await StockClient(publisher).receive(receipts_of(f"shop-demo-{seed}", some))
