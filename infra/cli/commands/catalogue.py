"""Fill the catalogue, set prices, publish and archive."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer

from infra.base.connections import address_of, database, kafka_publisher
from infra.cli.arguments import MOMENTS, moment, name_argument, name_option, seconds_option
from infra.cli.arguments import amount as amount_
from infra.cli.groups import new_group
from infra.cli.output import (
    FAILED,
    AsJson,
    errors_shown,
    fail,
    print_json,
    print_table,
    quiet_settings,
    run,
    stderr,
    stdout,
)
from producers.clients.catalogue import (
    CatalogueClient,
    archive_product,
    commands_for,
    publish_product,
    set_price,
)
from producers.importing.productfile import read_products
from schemas.codec.wire import decode
from schemas.money import format_minor, to_minor
from schemas.products import price_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.base.settings import Settings
    from producers.clients.catalogue import CatalogueCommand, ProductDraft
    from schemas.messages import Product

app = new_group("catalogue", "Fill the catalogue, set prices, publish and archive.")
ProductId = Annotated[str, name_argument("PRODUCT", "The product's id.")]
Timeout = Annotated[float, seconds_option("How long to wait for the outcome.")]
BATCH: Final = 500
"""Products whose commands are published together."""
POLL_SECONDS: Final = 0.05
LISTED: Final = 20


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV (a row a variant) or JSON Lines (a product a line).")
    ],
    *,
    currency: Annotated[str, typer.Option(help="Currency of prices without one of their own.")] = "GBP",
    publish: Annotated[bool, typer.Option(help="Put the products into the shop too.")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only read the file and report what is wrong with it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the products of a file. Exit status 1: some could not be read; the others are put all the same."""
    settings = quiet_settings()
    with errors_shown():
        products = read_products(file, currency)
        if not dry_run and products.drafts:
            run(put_drafts(settings, products.drafts, publish=publish))
    if as_json:
        rejected = [each._asdict() for each in products.rejected]
        print_json({"put": 0 if dry_run else len(products.drafts), "read": len(products.drafts), "rejected": rejected})
    else:
        verb = "would be put" if dry_run else "were put"
        stdout().print(f"{len(products.drafts):,} products {verb}, {len(products.rejected):,} could not be read.")
        for each in products.rejected[:LISTED]:
            stderr().print(f"row {each.row}: {each.reason}")
        if len(products.rejected) > LISTED:
            stderr().print(f"and {len(products.rejected) - LISTED:,} more; --json lists all")
    if products.rejected or not products.drafts:
        raise typer.Exit(FAILED)


async def put_drafts(settings: Settings, drafts: Sequence[ProductDraft], *, publish: bool = True) -> None:
    """Publish the commands that put these products, in batches."""
    async with kafka_publisher(settings) as publisher:
        client = CatalogueClient(publisher)
        for start in range(0, len(drafts), BATCH):
            some = drafts[start : start + BATCH]
            await client.send([command for draft in some for command in commands_for(draft, publish=publish)])


@app.command()
def show(product_id: ProductId, *, as_json: AsJson = False) -> None:
    """Show a product as the catalogue has it. Exit status 1: there is none."""
    settings = quiet_settings()
    with errors_shown():
        product = run(_product(settings, product_id))
    if product is None:
        fail(f"There is no product {product_id!r}.")
    if as_json:
        print_json(msgspec.to_builtins(product))
        return
    now_ms = time.time_ns() // 1_000_000
    console = stdout()
    console.print(f"{product.title}  ({product.product_id}, version {product.version}, {product.state})")
    console.print(f"/p/{product.slug}  {product.category}  {product.brand}")
    rows = []
    for variant in product.variants:
        price = price_at(product, variant.sku, now_ms)
        options = ", ".join(option.value for option in product.options if option.sku == variant.sku)
        amount = "none yet" if price is None else format_minor(price.amount_minor, product.currency)
        before = (
            "" if price is None or price.before_minor is None else format_minor(price.before_minor, product.currency)
        )
        rows.append((variant.sku, variant.title or options, amount, before))
    print_table(
        ("SKU", "variant", "price now", "lowest 30 days before"), rows, right={"price now", "lowest 30 days before"}
    )


async def _product(settings: Settings, product_id: str) -> Product | None:
    async with database(settings) as connection:
        value = await connection.fetchval("SELECT product FROM catalogue WHERE product_id = $1", product_id)
    return None if value is None else decode(value)  # type: ignore[return-value]  # the room writes nothing else there


@app.command("set-price")
def set_price_(
    product_id: ProductId,
    amount: Annotated[
        Decimal, typer.Argument(metavar="AMOUNT", parser=amount_, help="As in 12.34, in the product's currency.")
    ],
    *,
    sku: Annotated[str | None, name_option("SKU", "Of which variant; without it of all.")] = None,
    starts_at: Annotated[
        datetime | None,
        typer.Option("--from", metavar="TIME", parser=moment, help=f"When, such as {MOMENTS}; without it now."),
    ] = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Set what a product costs. Exit status 1: refused, with the reason."""
    settings = quiet_settings()
    with errors_shown():
        product = run(_product(settings, product_id))
        if product is None:
            fail(f"There is no product {product_id!r}.")
        minor = to_minor(amount, product.currency)
        from_ms = int(starts_at.timestamp() * 1000) if starts_at else 0
        skus = [sku] if sku else [variant.sku for variant in product.variants]
        commands = [set_price(product_id, each, minor, product.currency, from_ms) for each in skus]
        outcomes = run(_outcomes(settings, commands, timeout))
    _report(outcomes, as_json=as_json)


@app.command()
def publish(product_id: ProductId, *, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """Put a product into the shop. Exit status 1: refused, with the reason."""
    settings = quiet_settings()
    with errors_shown():
        outcomes = run(_outcomes(settings, [publish_product(product_id)], timeout))
    _report(outcomes, as_json=as_json)


@app.command()
def archive(
    product_id: ProductId,
    *,
    reason: Annotated[str, name_option("TEXT", "Why; it stays in the log.")],
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Take a product out of the shop. Exit status 1: refused, with the reason."""
    settings = quiet_settings()
    with errors_shown():
        outcomes = run(_outcomes(settings, [archive_product(product_id, reason)], timeout))
    _report(outcomes, as_json=as_json)


async def _outcomes(settings: Settings, commands: Sequence[CatalogueCommand], seconds: float) -> list[Any]:
    """Publish commands and return the event of each, in order, as catalogue.events has them."""
    from consumers.following.follower import Followed, Follower  # noqa: PLC0415  three commands need it
    from topology.topics import CATALOGUE_EVENTS  # noqa: PLC0415

    by_command: dict[str, Any] = {}
    complete = asyncio.Event()
    wanted = {command.command_id for command in commands}

    def apply(records: list[Followed]) -> None:
        for record in records:
            command_id = getattr(record.message, "command_id", "")
            if command_id in wanted:
                by_command[command_id] = record.message
        if len(by_command) == len(wanted):
            complete.set()

    follower = Follower(
        address_of("kafka_bootstrap", settings),
        settings.namespace,
        (CATALOGUE_EVENTS,),
        apply,
        name="outcomes",
        from_end=True,
    )
    following = asyncio.create_task(follower.run())
    try:
        async with asyncio.timeout(seconds), kafka_publisher(settings) as publisher:
            await follower.caught_up.wait()
            await CatalogueClient(publisher).send(commands)
            await complete.wait()
    except TimeoutError:
        fail(f"No outcome within {seconds:g} s; does `lastunit room catalogue` run?")
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return [by_command[command.command_id] for command in commands]


def _report(outcomes: Sequence[Any], *, as_json: bool) -> None:
    refused = [outcome for outcome in outcomes if type(outcome).__name__ == "CatalogueCommandRefused"]
    if as_json:
        print_json([{"event": type(outcome).__name__} | msgspec.to_builtins(outcome) for outcome in outcomes])
    else:
        for name, number in Counter(type(outcome).__name__ for outcome in outcomes if outcome not in refused).items():
            stdout().print(f"{name}: {number}, version {outcomes[-1].version}")
        for outcome in refused:
            stderr().print(f"refused: {outcome.reason}. {outcome.detail}")
    if refused:
        raise typer.Exit(FAILED)
