"""Traffic for demonstrations: orders that race for stock which is not enough for all. Pure: one seed, one race."""

from __future__ import annotations

import random
from collections import Counter
from typing import Final

import msgspec

from producers.clients.orders import ACCEPTED_TOKEN, DECLINED_TOKEN, OrderLine, OrderRequest

FLASH_SKU: Final = "FLASH-1"
FLASH_SCARCITY: Final = 10
"""Units of the flash sale that are wanted for each one there is."""
FLASH_SHARE: Final = 0.2
FLASH_PRICE_MINOR: Final = 999
DECLINED_SHARE: Final = 0.03
ORDINARY_COVER: Final = (0.90, 1.00)
"""Between these shares of an ordinary SKU's demand is there, so that a few of its buyers are refused too."""
MAX_LINES: Final = 5
MAX_QUANTITY: Final = 3

_KINDS: Final = (
    *("APRON", "BELL", "BOWL", "BUNTING", "CANDLE", "CLOCK", "CUSHION", "DOORMAT", "FRAME", "HOOK"),
    *("JAR", "LANTERN", "MUG", "PLATE", "SPOON", "TEAPOT", "TIN", "TRAY", "VASE", "WREATH"),
)


class Traffic(msgspec.Struct, frozen=True):
    """Orders in the order in which they are placed, and the units to receive before, by SKU."""

    orders: list[OrderRequest]
    stock: dict[str, int]

    def demand(self) -> Counter[str]:
        """Return the units that all orders want together, by SKU."""
        wanted: Counter[str] = Counter()
        for order in self.orders:
            for line in order.lines:
                wanted[line.sku] += line.quantity
        return wanted


def generate(
    seed: int, *, now_ms: int, orders: int = 5_000, skus: int = 200, stock_factor: float = 1.0, hold_seconds: int = 900
) -> Traffic:
    """Return a race of `orders` orders for `skus` ordinary SKUs and one flash sale.

    An order has 1 to 5 lines; which SKUs it names follows Zipf's law, so a few are wanted by nearly all. `stock_factor`
    scales what there is of every SKU. Order ids are UUIDv7 of `now_ms` (ms since the Unix epoch), drawn from the seed
    too: the same arguments give the same orders.
    """
    draw = random.Random(seed)  # noqa: S311  a race to repeat, not a secret
    prices = {sku: draw.randrange(99, 5_000, 50) for sku in _names(skus)}
    ranked = list(prices)
    draw.shuffle(ranked)
    weights = [1 / rank for rank in range(1, skus + 1)]
    placed = []
    for number in range(orders):
        wanted = draw.choices(ranked, weights, k=draw.randint(1, MAX_LINES))
        lines = [OrderLine(sku, draw.randint(1, MAX_QUANTITY), prices[sku]) for sku in wanted]
        if draw.random() < FLASH_SHARE:
            lines[draw.randrange(len(lines))] = OrderLine(FLASH_SKU, draw.randint(1, 2), FLASH_PRICE_MINOR)
        placed.append(
            OrderRequest(
                order_id=_order_id(now_ms, number, draw),
                customer_id=f"customer-{draw.randrange(1, max(2, orders // 2)):05}",
                payment_token=DECLINED_TOKEN if draw.random() < DECLINED_SHARE else ACCEPTED_TOKEN,
                hold_seconds=hold_seconds,
                lines=tuple(lines),
            )
        )
    return Traffic(placed, _stock(placed, draw, stock_factor))


def _stock(orders: list[OrderRequest], draw: random.Random, stock_factor: float) -> dict[str, int]:
    demand = Traffic(orders, {}).demand()
    cover = {sku: draw.uniform(*ORDINARY_COVER) for sku in sorted(demand)}
    cover[FLASH_SKU] = 1 / FLASH_SCARCITY
    return {sku: max(1, round(demand[sku] * cover[sku] * stock_factor)) for sku in sorted(demand)}


def _names(skus: int) -> list[str]:
    return [f"{_KINDS[number % len(_KINDS)]}-{number // len(_KINDS) + 1}" for number in range(skus)]


def _order_id(now_ms: int, number: int, draw: random.Random) -> str:
    """Return a UUIDv7 (RFC 9562, 5.7, method 1: a counter after the time keeps the ids in the order of placing)."""
    tail = (0b10 << 62) | draw.getrandbits(62)
    digits = f"{((now_ms + (number >> 12)) << 16) | (0x7 << 12) | (number & 0xFFF):016x}{tail:016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
