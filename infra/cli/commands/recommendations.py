"""Learn what is bought together from paid orders."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import typer

from infra.base.connections import address_of, redis_client
from infra.cli.groups import new_group
from infra.cli.output import FAILED, AsJson, errors_shown, fail, print_json, quiet_settings, run, stdout

if TYPE_CHECKING:
    from consumers.recommendations.build import Basket, Outcome
    from consumers.recommendations.store import Generation
    from infra.base.settings import Settings

app = new_group("recommendations", "Learn what is bought together from paid orders.")


@app.command()
def build(*, as_json: AsJson = False) -> None:
    """Learn from all paid orders and put the result to use. Exit status 1: it would be worse than what is in use."""
    settings = quiet_settings()
    with errors_shown():
        outcome = run(_build(settings))
    if as_json:
        print_json(
            {
                "refused": outcome.was_refused,
                "hit_at_10": outcome.quality.hit,
                "ndcg_at_10": outcome.quality.ndcg,
                "cases": outcome.quality.cases,
                "generation": outcome.in_use.number if outcome.in_use else None,
            }
        )
    else:
        verdict = "was refused: it is worse than what is in use" if outcome.was_refused else "is in use"
        quality = f"hit@10 {outcome.quality.hit:.3f}, NDCG@10 {outcome.quality.ndcg:.3f} on {outcome.quality.cases:,} latest orders"
        stdout().print(f"The new generation {verdict} ({quality}).")
    if outcome.was_refused:
        raise typer.Exit(FAILED)


async def _build(settings: Settings) -> Outcome:
    from consumers.recommendations.build import build as build_generation  # noqa: PLC0415  scipy takes its time

    baskets, position = await _baskets(settings)
    async with redis_client(settings) as redis:
        return await build_generation(redis, settings.namespace, baskets, time.time_ns() // 1_000_000, position)


async def _baskets(settings: Settings) -> tuple[list[Basket], dict[int, int]]:
    """Return all paid orders, with the products that the catalogue has their SKUs in, and up to where they were read."""
    from consumers.following.follower import Followed, Follower  # noqa: PLC0415  one command needs it
    from consumers.recommendations.build import PaidOrders  # noqa: PLC0415
    from schemas.messages import Product  # noqa: PLC0415
    from topology.topics import CATALOGUE_PRODUCTS, ORDER_EVENTS  # noqa: PLC0415

    orders, product_of = PaidOrders(), {}

    def apply(records: list[Followed]) -> None:
        orders.apply(records)
        for record in records:
            if isinstance(record.message, Product):
                product_of.update({variant.sku: record.key for variant in record.message.variants})

    bootstrap = address_of("kafka_bootstrap", settings)
    follower = Follower(bootstrap, settings.namespace, (CATALOGUE_PRODUCTS, ORDER_EVENTS), apply, name="orders")
    following = asyncio.create_task(follower.run())
    try:
        await follower.caught_up.wait()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return orders.baskets(product_of), orders.position


@app.command()
def rollback(*, as_json: AsJson = False) -> None:
    """Put the generation before to use again. Exit status 1: there is none."""
    settings = quiet_settings()
    with errors_shown():
        before = run(_with_redis(settings, "roll_back"))
    if before is None:
        fail("There is no generation before the one in use.")
    if as_json:
        print_json({"generation": before.number})
    else:
        stdout().print(f"Generation {before.number} is in use again.")


@app.command()
def show(*, as_json: AsJson = False) -> None:
    """Show which generation is in use. Exit status 1: none is."""
    settings = quiet_settings()
    with errors_shown():
        current = run(_with_redis(settings, "read_current"))
    if current is None:
        fail("No recommendations are in use; `lastunit recommendations build` makes some.")
    if as_json:
        print_json({"generation": current.number, "products": current.products, "hit_at_10": current.quality.hit})
    else:
        stdout().print(f"Generation {current.number}: {current.products:,} products, hit@10 {current.quality.hit:.3f}")


async def _with_redis(settings: Settings, name: str) -> Generation | None:
    from consumers.recommendations import build as building  # noqa: PLC0415  scipy takes its time
    from consumers.recommendations import store  # noqa: PLC0415

    work: Any = building.roll_back if name == "roll_back" else store.read_current
    async with redis_client(settings) as redis:
        generation: Generation | None = await work(redis, settings.namespace)
        return generation
