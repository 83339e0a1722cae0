"""Orders by the name that another system gave them: an invoice number or any other reference of the client."""

from __future__ import annotations

from typing import Annotated, Final

from infra.base.connections import database
from infra.base.settings import Settings
from infra.cli.arguments import name_argument
from infra.cli.output import MISUSED, fail, run
from infra.ops.references import Named, orders_named
from schemas.ids import is_order_id

OrderName = Annotated[str, name_argument("ORDER", "Its id, or the reference under which it was placed or imported.")]
OrderId = Annotated[str, name_argument("ORDER_ID", "As `order place` printed it.")]

SHOWN: Final = 10


def order_id_of(name: str, settings: Settings) -> str:
    """Return the id of the order that is meant; end the command unless it is one."""
    if is_order_id(name):
        return name
    orders = run(_named(name, settings))
    if not orders:
        fail(
            f"No order has the id or the reference {name!r}. An id has 36 lower-case characters, as `lastunit order place` "
            "prints it.",
            MISUSED,
        )
    if len(orders) > 1:
        shown = ", ".join(f"{order.order_id} ({order.source})" for order in orders[:SHOWN])
        fail(f"{len(orders):,} orders have the reference {name!r}; give the id of one: {shown}", MISUSED)
    return orders[0].order_id


def checked_order_id(name: str) -> str:
    """Return an order id; end the command for any other text."""
    if not is_order_id(name):
        fail(
            f"{name!r} is no order id: it has 36 lower-case characters, as `lastunit order place` prints it. "
            f"`lastunit order show` finds an order by its reference too.",
            MISUSED,
        )
    return name


async def _named(name: str, settings: Settings) -> list[Named]:
    async with database(settings) as connection:
        return await orders_named(connection, name)
