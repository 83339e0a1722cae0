"""`lastunit orders find | reindex`: orders by what people know of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

import typer

from consumers.views.index import IndexedOrder, OrderQuery, find_orders, forget_index
from infra.base.connections import database, redis_client
from infra.base.settings import Settings
from infra.base.spans import moment as written
from infra.cli.arguments import MOMENTS, moment, name_option
from infra.cli.output import MISUSED, AsJson, counted, fail, print_json, print_table, quiet_settings, run, stdout
from topology.states import OrderState

MOST: Final = 10_000
SHOWN_SKUS: Final = 5


def find(
    *,
    reference: Annotated[str | None, name_option("TEXT", "What the client calls the order: an invoice number.")] = None,
    customer: Annotated[str | None, name_option("ID", "Who ordered.")] = None,
    sku: Annotated[str | None, name_option("SKU", "One of what was ordered.")] = None,
    state: Annotated[OrderState | None, typer.Option(help="Where the order stands.")] = None,
    day: Annotated[
        datetime | None, typer.Option(metavar="DAY", parser=moment, help="Placed on this day, UTC: 2026-01-31.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--from", metavar="TIME", parser=moment, help=f"Placed then or later, such as {MOMENTS}."),
    ] = None,
    until: Annotated[datetime | None, typer.Option(metavar="TIME", parser=moment, help="Placed before then.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="At most so many, the latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Find orders by reference, customer, SKU, state or day: those of which all that is given is true.

    What happened in the last second or two may not be found yet.
    """
    if day and (since or until):
        fail("Give --day, or --from and --until.", MISUSED)
    query = OrderQuery(
        reference=reference,
        customer_id=customer,
        sku=sku,
        state=state,
        from_ms=_ms(since or day),
        until_ms=_ms(until) if day is None else _end_of(day),
    )
    orders = run(_find(quiet_settings(), query, limit))
    if as_json:
        print_json(orders)
        return
    print_table(("placed", "order", "state", "customer", "reference", "SKUs"), map(_cells, orders))
    if len(orders) in {0, limit}:
        stdout().print(f"The latest {limit:,}; there may be more: --limit." if orders else "No order is found.")


def reindex(*, as_json: AsJson = False) -> None:
    """Have the index of orders written anew from the log; what is in it can be found meanwhile."""
    run(_forget(quiet_settings()))
    if as_json:
        print_json({"reindexing": True})
    else:
        stdout().print("The views' process reads order.events from its beginning, within seconds if it runs.")


async def _find(settings: Settings, query: OrderQuery, limit: int) -> list[IndexedOrder]:
    async with database(settings) as connection:
        return await find_orders(connection, query, limit)


async def _forget(settings: Settings) -> None:
    async with database(settings) as connection, redis_client(settings) as redis:
        await forget_index(connection, redis, settings.namespace)


def _cells(order: IndexedOrder) -> Sequence[str]:
    skus = ", ".join(order.skus[:SHOWN_SKUS])
    more = f" and {counted(len(order.skus) - SHOWN_SKUS, 'other')}" if len(order.skus) > SHOWN_SKUS else ""
    return (
        written(order.placed_at_ms)[:19],
        order.order_id,
        order.state.value,
        order.customer_id,
        order.reference,
        skus + more,
    )


def _ms(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1000)


def _end_of(day: datetime) -> int | None:
    try:
        return _ms(day + timedelta(days=1))
    except OverflowError:  # the last day that there is
        return None
