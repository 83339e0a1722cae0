"""The shapes of orders, and how they look as the product's commands and as an orchestrator's one record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from producers.clients.orders import ACCEPTED_TOKEN, DECLINED_TOKEN, OrderLine, OrderRequest, place_order_lines
from producers.publisher import BY_KEY, Outgoing
from schemas.codec.wire import encode
from schemas.messages import OrderedLine
from tests.benchmarks.baselines.sagas.order import Placed
from tests.benchmarks.baselines.sagas.processor import CAPTURE_FAILS_TOKEN
from tests.benchmarks.harness.orders import HOLD_SECONDS, HOT_SKU, names
from topology.topics import INVENTORY_COMMANDS, ORDER_COMMANDS

if TYPE_CHECKING:
    from numpy.random import Generator

PRICE_MINOR: Final = 1999
SCARCE: Final = {f"SCARCE-{number}": 20 for number in range(1, 6)}
"""SKUs of which there is not enough, and their units."""
TOKENS: Final = (ACCEPTED_TOKEN, ACCEPTED_TOKEN, DECLINED_TOKEN, ACCEPTED_TOKEN, CAPTURE_FAILS_TOKEN)
"""How the scarce orders are paid, in turn."""

Shape = Callable[[int, int, int], list[OrderRequest]]
"""Number of orders, SKUs of the catalogue, seed -> the orders."""


def hot(count: int, skus: int, seed: int) -> list[OrderRequest]:
    """One line, of one and the same SKU."""
    del skus, seed
    return [_order([HOT_SKU]) for _ in range(count)]


def uniform(count: int, skus: int, seed: int) -> list[OrderRequest]:
    """One line, of any SKU."""
    catalogue = names(skus)
    return [_order([catalogue[index]]) for index in np.random.default_rng(seed).integers(0, skus, count)]


def three_lines(count: int, skus: int, seed: int) -> list[OrderRequest]:
    """Three lines, of different SKUs."""
    catalogue, draw = names(skus), np.random.default_rng(seed)
    return [_order([catalogue[index] for index in _distinct(draw, skus)]) for _ in range(count)]


def scarce(count: int, skus: int, seed: int) -> list[OrderRequest]:
    """Three lines of few SKUs that are soon sold out; some cards are declined, and some cannot be charged."""
    del skus
    catalogue, draw = list(SCARCE), np.random.default_rng(seed)
    return [
        _order([catalogue[index] for index in _distinct(draw, len(catalogue))], TOKENS[number % len(TOKENS)])
        for number in range(count)
    ]


SHAPES: Final[dict[str, Shape]] = {"hot": hot, "uniform": uniform, "three_lines": three_lines}


def as_commands(orders: Sequence[OrderRequest]) -> list[Outgoing]:
    """Return the records that the product takes: a line each, keyed by SKU."""
    topic = INVENTORY_COMMANDS.name
    return [
        Outgoing(topic, BY_KEY, line.sku.encode(), encode(line))
        for order in orders
        for line in place_order_lines(order)
    ]


def as_wholes(orders: Sequence[OrderRequest]) -> list[Outgoing]:
    """Return the records that the baselines take: an order each, keyed by its id."""
    topic = ORDER_COMMANDS.name
    return [Outgoing(topic, BY_KEY, order.order_id.encode(), msgspec.json.encode(_placed(order))) for order in orders]


def _placed(order: OrderRequest) -> Placed:
    lines = tuple(OrderedLine(number, *line) for number, line in enumerate(order.lines, start=1))
    return Placed(order.order_id, order.customer_id, order.payment_token, order.currency, order.hold_seconds, lines)


def _order(skus: Sequence[str], token: str = ACCEPTED_TOKEN) -> OrderRequest:
    lines = tuple(OrderLine(sku, 1, PRICE_MINOR) for sku in skus)
    return OrderRequest(lines=lines, customer_id="customer-00001", payment_token=token, hold_seconds=HOLD_SECONDS)


def _distinct(draw: Generator, below: int) -> list[int]:
    """Draw three different numbers."""
    chosen: set[int] = set()
    while len(chosen) < 3:
        chosen.add(int(draw.integers(below)))
    return list(chosen)
