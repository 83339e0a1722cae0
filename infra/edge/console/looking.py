"""What the pages of one order, one SKU, one customer and the dead letters show, read anew for each look."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consumers.views.index import OrderQuery, find_orders
from consumers.views.store import read_timeline
from infra.base.connections import database, redis_client
from infra.base.spans import age, moment
from infra.edge.console.actions import actions_of_letter, actions_of_order, actions_of_sku
from infra.ops.letters.reading import LetterState, shown_key
from infra.ops.order_words import amount, rows
from infra.ops.references import orders_named
from infra.ops.skus import unknown_skus
from infra.ops.stock import Level, Movement, holders_of, levels_of, movements_of
from schemas.ids import is_order_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from consumers.views.timeline import OrderView
    from infra.base.settings import Settings
    from infra.edge.console.watching import Watch

MOST_ROWS: Final = 50
HEX_BYTES: Final = 256
"""Bytes of a dead letter that are shown raw."""
CHART_WIDTH: Final = 240
CHART_HEIGHT: Final = 48


class ReachedState(NamedTuple):
    """One state on an order's way, when it came to it, and how long it took from the one before."""

    state: str
    at: str
    took: str


class BarSegment(NamedTuple):
    """Units of a SKU on its bar: from `x` on, `width` wide, of 100."""

    name: str
    units: int
    x: float
    width: float


async def order_values(settings: Settings, watch: Watch, order_id: str) -> dict[str, Any] | None:
    """Return what an order's page shows; None where nothing is known of it. Raises InfraError."""
    async with redis_client(settings) as redis:
        view = await read_timeline(redis, settings.namespace, order_id)
    if view is None:
        return None
    return {
        "order": view,
        "ways": _ways(view),
        "money": _money(view),
        "lines": [
            (line, amount(line.unit_price_minor, view.currency) if line.unit_price_minor else "") for line in view.lines
        ],
        "rows": rows(view.events, view.currency),
        "actions": actions_of_order(view),
        "did": watch.actions_about(f"order/{order_id}"),
    }


async def sku_values(settings: Settings, watch: Watch, sku: str) -> dict[str, Any] | None:
    """Return what a SKU's page shows; None where no unit of it ever came in. Raises InfraError."""
    async with database(settings) as connection:
        levels = await levels_of([sku], connection)
        if not levels:
            return None
        watch.history.take_levels(time.time_ns() // 1_000_000, levels)
        movements = await movements_of(sku, connection, MOST_ROWS)
        return {
            "level": levels[0],
            "bar": _bar(levels[0]),
            "chart": _chart(levels[0], movements),
            "has_demand": watch.window.by_second(sku) != {},
            "holders": await holders_of(sku, connection, MOST_ROWS),
            "movements": movements,
            "orders": await find_orders(connection, OrderQuery(sku=sku), MOST_ROWS),
            "actions": actions_of_sku(levels[0]),
            "did": watch.actions_about(f"sku/{sku}"),
            "most": MOST_ROWS,
        }


async def customer_values(settings: Settings, customer_id: str) -> dict[str, Any] | None:
    """Return what a customer's page shows; None where there is no order of theirs. Raises InfraError."""
    async with database(settings) as connection:
        orders = await find_orders(connection, OrderQuery(customer_id=customer_id), MOST_ROWS)
    return {"customer_id": customer_id, "orders": orders, "most": MOST_ROWS} if orders else None


def letters_values(watch: Watch) -> dict[str, Any]:
    """Return what the page of dead letters shows: the open ones, the latest first."""
    still_open = [letter for letter in watch.letters if letter.state is LetterState.OPEN]
    return {"letters": still_open[: -MOST_ROWS - 1 : -1], "count": len(still_open)}


def letter_values(watch: Watch, letter_id: str) -> dict[str, Any] | None:
    """Return what one dead letter's page shows; None where there is none of this id."""
    letter = next((letter for letter in watch.letters if letter.id == letter_id), None)
    if letter is None:
        return None
    value, message = letter.source.value or b"", letter.message
    return {
        "letter": letter,
        "key": shown_key(letter.source.key),
        "kind": type(message).__name__ if message is not None else "",
        "fields": [(name, repr(getattr(message, name))) for name in message.__struct_fields__] if message else [],
        "raw": value[:HEX_BYTES].hex(" ") + (f" ... ({len(value):,} bytes)" if len(value) > HEX_BYTES else ""),
        "actions": actions_of_letter(letter),
    }


class Matches(NamedTuple):
    """What a text may be the name of; `near` are SKUs that are spelt like it, where it is none."""

    orders: Sequence[str]
    skus: Sequence[str]
    customers: Sequence[str]
    near: Sequence[str]

    @property
    def addresses(self) -> list[tuple[str, str]]:
        """What there is, as (page, id)."""
        pages: tuple[tuple[str, Sequence[str]], ...] = (
            ("order", self.orders),
            ("sku", self.skus),
            ("customer", self.customers),
        )
        return [(page, name) for page, names in pages for name in names]


async def search(settings: Settings, text: str) -> Matches:
    """Find an order by id or reference, a SKU, or a customer of this name. Raises InfraError."""
    if is_order_id(text.lower()):
        return Matches([text.lower()], (), (), ())
    async with database(settings) as connection:
        orders = [order.order_id for order in await orders_named(connection, text)][:MOST_ROWS]
        near = await unknown_skus(connection, [text])
        customers = [text] if await _has_orders(connection, text) else []
    is_sku = text not in near
    is_known = bool(orders or customers or is_sku)
    return Matches(orders, [text] if is_sku else [], customers, () if is_known else near[text])


async def _has_orders(connection: asyncpg.Connection, customer_id: str) -> bool:
    return bool(await find_orders(connection, OrderQuery(customer_id=customer_id), 1))


def _ways(view: OrderView) -> list[tuple[str, list[ReachedState]]]:
    """Return the way through its states on each axis."""
    ways: list[tuple[str, list[ReachedState]]] = []
    for axis in dict.fromkeys(step.axis for step in view.path):
        steps = [step for step in view.path if step.axis == axis]
        first = ReachedState(steps[0].state, moment(steps[0].at_ms), "")
        later = [
            ReachedState(to.state, moment(to.at_ms), age(to.at_ms - before.at_ms)) for before, to in pairwise(steps)
        ]
        ways.append((axis, [first, *later]))
    return ways


def _money(view: OrderView) -> list[tuple[str, str]]:
    """Return the sums of an order's money that are not 0."""
    money = view.money
    sums = {
        "to pay": view.amount_minor,
        "set aside": money.authorized_minor,
        "taken": money.captured_minor,
        "set free": money.voided_minor,
        "given back": money.refunded_minor,
        "disputed": money.disputed_minor,
        "lost": money.lost_minor,
    }
    return [(name, amount(minor, view.currency)) for name, minor in sums.items() if minor]


def _bar(level: Level) -> list[BarSegment]:
    parts, x = [], 0.0
    for name in ("available", "reserved", "allocated", "quarantined"):
        units = getattr(level, name)
        width = 100 * units / level.on_hand if level.on_hand else 0.0
        parts.append(BarSegment(name, units, round(x, 2), round(width, 2)))
        x += width
    return parts


def _chart(level: Level, movements: Sequence[Movement]) -> str:
    """Return units on hand over the latest movements as the points of an SVG polyline; "" while there are too few."""
    if len(movements) < 2:  # noqa: PLR2004  a line has two ends
        return ""
    points, units = [], level.on_hand
    for movement in movements:
        points.append((movement.at_ms, units))
        points.append((movement.at_ms, units := units - movement.quantity))
    first, last = points[-1][0], points[0][0]
    top = max(1, *(on_hand for _, on_hand in points))
    return " ".join(
        f"{CHART_WIDTH * (at_ms - first) / max(1, last - first):.1f},{CHART_HEIGHT - on_hand / top * (CHART_HEIGHT - 2):.1f}"
        for at_ms, on_hand in reversed(points)
    )
