"""What the demo sells and to whom: generated traffic, or the orders of a file."""

from __future__ import annotations

import math
import time
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from infra.base.errors import InfraError
from producers.clients.orders import OrderRequest, place_order_lines
from producers.errors import InvalidOrderError
from producers.importing.assembly import Assembled, Invoice
from producers.importing.generated import FLASH_SKU, Traffic, generate
from producers.importing.options import ReadOptions
from producers.importing.orderfile import OrderFile

GENERATED_STOCK_FACTOR: Final = 1.0
"""Generated traffic has its own scarcity; this scales it."""
FILE_STOCK_FACTOR: Final = 0.9
"""Share of each SKU's demand that is there when a file's orders are placed."""


class Race(msgspec.Struct, frozen=True):
    """Orders in the order in which they are placed, and the units to receive before, by SKU.

    `flash_sku` is the one that far too many want, where there is one; `notes` are for the reader of the report.
    """

    title: str
    orders: list[OrderRequest]
    stock: dict[str, int]
    flash_sku: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        """How many order lines there are in all."""
        return sum(len(order.lines) for order in self.orders)

    def demand(self) -> Counter[str]:
        """Return the units that all orders want together, by SKU."""
        return Traffic(self.orders, self.stock).demand()


def race_of(orders: str, *, stock_factor: float | None, seed: int, terms: str = "") -> Race:
    """Return the race for `--orders`: a number of generated orders, or the path of a file; all on these terms.

    Raises InfraError for what is neither, InvalidOrderError for terms that are none, and UnusableFileError.
    """
    race = _race_of(orders, stock_factor, seed)
    on_terms = [msgspec.structs.replace(order, terms=terms) for order in race.orders]
    place_order_lines(on_terms[0])
    return msgspec.structs.replace(race, orders=on_terms)


def _race_of(orders: str, stock_factor: float | None, seed: int) -> Race:
    if orders.isdecimal() and int(orders) > 0:
        return generated_race(int(orders), stock_factor=stock_factor or GENERATED_STOCK_FACTOR, seed=seed)
    if Path(orders).is_file():
        return file_race(Path(orders), stock_factor=stock_factor or FILE_STOCK_FACTOR)
    raise InfraError(f"--orders {orders} is neither a number of orders nor a CSV file that is there.")


def generated_race(orders: int, *, stock_factor: float, seed: int) -> Race:
    """Return a race for a flash sale and some ordinary goods. The seed decides all but the time in the order ids."""
    traffic = generate(seed, now_ms=time.time_ns() // 1_000_000, orders=orders, stock_factor=stock_factor)
    return Race(f"{orders:,} generated orders, seed {seed}", traffic.orders, traffic.stock, FLASH_SKU)


def file_race(path: Path, *, stock_factor: float) -> Race:
    """Return the orders of a file whose header is known. Raises UnusableFileError, and InfraError when it has no order."""
    file = OrderFile(path, ReadOptions())
    orders: list[OrderRequest] = []
    left_out = 0
    for assembled, _ in file.orders():
        try:
            orders.append(_request(assembled))
        except InvalidOrderError:
            left_out += 1
    if not orders:
        raise InfraError(f"{path} has no order in its {file.rows:,} rows; `lastunit orders import --dry-run` says why.")
    demand = Traffic(orders, {}).demand()
    stock = {sku: math.ceil(stock_factor * units) for sku, units in sorted(demand.items())}
    notes = (f"{left_out:,} invoices of the file are no orders that can be placed.",) if left_out else ()
    return Race(f"{len(orders):,} orders of {path.name}", orders, stock, notes=notes)


def _request(assembled: Assembled) -> OrderRequest:
    """Return what places an invoice. Raises InvalidOrderError for what cannot be placed."""
    if not isinstance(assembled, Invoice):
        raise InvalidOrderError("it is no order")
    order = OrderRequest(lines=assembled.lines, customer_id=assembled.customer_id, currency=assembled.currency)
    place_order_lines(order)
    return order
