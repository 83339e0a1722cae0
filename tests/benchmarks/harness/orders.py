"""The input: PlaceOrderLine commands in the product's own wire format, for whichever SKUs a mix draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from producers.publisher import BY_KEY, Outgoing
from schemas.codec.wire import encode
from schemas.ids import new_order_id
from schemas.messages import PlaceOrderLine
from topology.topics import INVENTORY_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from producers.publisher import Publisher

HOT_SKU: Final = "HOT-1"
PUBLISHED_TOGETHER: Final = 20_000
HOLD_SECONDS: Final = 3_600
"""No hold may expire while a benchmark runs: its books count what is held."""


class Orders(msgspec.Struct, frozen=True):
    """Orders of one unit each, and the records that place them."""

    ids: Sequence[str]
    skus: Sequence[str]
    records: Sequence[Outgoing]


def orders_for(skus: Iterable[str]) -> Orders:
    """Return one order for each of these SKUs."""
    wanted = list(skus)
    commands = [_command(new_order_id(), sku) for sku in wanted]
    topic = INVENTORY_COMMANDS.name
    return Orders(
        [command.order_id for command in commands],
        wanted,
        [Outgoing(topic, BY_KEY, command.sku.encode(), encode(command)) for command in commands],
    )


def hot(count: int) -> list[str]:
    """Return one and the same SKU."""
    return [HOT_SKU] * count


def names(skus: int) -> list[str]:
    """Return the SKUs of a catalogue."""
    return [f"SKU-{number:07}" for number in range(skus)]


def uniform(count: int, skus: int, seed: int) -> list[str]:
    """Draw SKUs, each as likely as any other."""
    catalogue = names(skus)
    return [catalogue[index] for index in np.random.default_rng(seed).integers(0, skus, count)]


def zipf(count: int, skus: int, seed: int) -> list[str]:
    """Draw SKUs by Zipf's law."""
    catalogue = names(skus)
    return [catalogue[index] for index in np.random.default_rng(seed).choice(skus, count, p=zipf_shares(skus))]


def zipf_shares(skus: int) -> NDArray[np.float64]:
    """Return the share of the demand that each SKU has by Zipf's law: the k-th is wanted k times less than the first."""
    weights = 1 / np.arange(1, skus + 1)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


async def publish(publisher: Publisher, records: Sequence[Outgoing]) -> None:
    """Put records on Kafka, some at a time."""
    for first in range(0, len(records), PUBLISHED_TOGETHER):
        await publisher.publish(records[first : first + PUBLISHED_TOGETHER])


def _command(order_id: str, sku: str) -> PlaceOrderLine:
    return PlaceOrderLine(order_id, 1, 1, sku, 1, 1, 1999, "GBP", "customer-00001", "tok_ok", HOLD_SECONDS)
