"""`lastunit shop demo`: a catalogue with stock to look at; `lastunit pages warm`: pages into a cache before a peak."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infra.base.connections import kafka_publisher
from infra.cli.catalogue import put_drafts
from infra.cli.output import FAILED, errors_shown, quiet_settings, run, stdout
from producers.clients.stock import StockClient, receipts_of
from producers.importing.productfile import read_products
from producers.importing.seeded_catalogue import seeded_catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.base.settings import Settings
    from producers.clients.catalogue import ProductDraft

shop = typer.Typer(name="shop", help="The shop's pages.", no_args_is_help=True)
pages = typer.Typer(name="pages", help="Product pages.", no_args_is_help=True)
SKUS_A_DELIVERY: Final = 2_000
UNITS: Final = (0, 0, 1, 3, 8, 25, 60, 150)
"""Stock of a demonstration's SKUs: some sold out, some nearly, most there."""


def register(main: typer.Typer) -> None:
    """Add both groups."""
    main.add_typer(shop)
    main.add_typer(pages)


@shop.command()
def demo(
    *,
    products: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A catalogue of your own, as for `catalogue import`.")
    ] = None,
    number: Annotated[int, typer.Option(min=1, max=1_000_000, help="Products to make without a file.")] = 2_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same catalogue and stock.")] = 1,
) -> None:
    """Put a catalogue and its stock into the system that runs here."""
    settings = quiet_settings()
    with errors_shown():
        drafts = read_products(products).drafts if products else list(seeded_catalogue(seed, number))
        run(_fill(settings, drafts, seed))
    skus = sum(len(draft.variants) for draft in drafts)
    stdout().print(f"{len(drafts):,} products with {skus:,} SKUs are on their way into the shop.")
    if not drafts:
        raise typer.Exit(FAILED)


async def _fill(settings: Settings, drafts: Sequence[ProductDraft], seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311  stock to repeat, not a secret
    units = {variant.sku: draw.choice(UNITS) for draft in drafts for variant in draft.variants}
    await put_drafts(settings, drafts)
    skus = list(units)
    async with kafka_publisher(settings) as publisher:
        for start in range(0, len(skus), SKUS_A_DELIVERY):
            some = {sku: units[sku] for sku in skus[start : start + SKUS_A_DELIVERY]}
            await StockClient(publisher).receive(receipts_of(f"shop-demo-{seed}", some))


@pages.command()
def warm(
    address: Annotated[
        str, typer.Argument(metavar="URL", help="Where pages are asked for: the shop, or a cache before it.")
    ],
    *,
    slugs: Annotated[
        Path,
        typer.Option("--from", metavar="FILE", help="One path a line, such as /p/red-mug_M1; - for standard input."),
    ],
    at_once: Annotated[int, typer.Option(min=1, max=200, help="Requests under way together.")] = 20,
) -> None:
    """Ask for pages before buyers do, so that the peak finds them in every cache. Exit status 1: some are not there."""
    text = sys.stdin.read() if str(slugs) == "-" else slugs.read_text(encoding="utf-8")
    paths = text.split()
    with errors_shown():
        failed = run(_warm(address.rstrip("/"), paths, at_once))
    stdout().print(f"{len(paths) - len(failed):,} pages are warm, {len(failed):,} were not there.")
    if failed:
        raise typer.Exit(FAILED)


async def _warm(address: str, paths: Sequence[str], at_once: int) -> list[str]:
    import aiohttp  # noqa: PLC0415  one command needs it

    places = asyncio.Semaphore(at_once)
    failed: list[str] = []
    async with aiohttp.ClientSession(headers={"Accept": "text/html"}) as session:

        async def ask(path: str) -> None:
            try:
                async with places, session.get(address + path) as answer:
                    await answer.read()
                    if not answer.ok:
                        failed.append(path)
            except (aiohttp.ClientError, TimeoutError):
                failed.append(path)

        await asyncio.gather(*map(ask, paths))
    return failed
