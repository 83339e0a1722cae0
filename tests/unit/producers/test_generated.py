"""Generated traffic: a race that a seed repeats, with too little for some everywhere and for most in the flash sale."""

from __future__ import annotations

from itertools import pairwise

from producers.clients.orders import DECLINED_TOKEN, place_order_lines
from producers.importing.generated import FLASH_SKU, generate
from schemas.ids import is_order_id, order_id_ms

NOW_MS = 1_800_000_000_000


def test_a_seed_repeats_the_race_to_the_last_id() -> None:
    assert generate(7, now_ms=NOW_MS, orders=300) == generate(7, now_ms=NOW_MS, orders=300)
    assert generate(7, now_ms=NOW_MS, orders=300) != generate(8, now_ms=NOW_MS, orders=300)


def test_every_order_can_be_placed_and_its_id_is_of_its_time() -> None:
    orders = generate(1, now_ms=NOW_MS).orders
    assert len(orders) == 5_000
    for order in orders:
        assert 1 <= len(place_order_lines(order)) <= 5
        assert is_order_id(order.order_id)
        assert 0 <= order_id_ms(order.order_id) - NOW_MS <= 1
    assert all(one.order_id < other.order_id for one, other in pairwise(orders))


def test_the_flash_sale_is_ten_times_oversubscribed_and_nothing_else_is() -> None:
    traffic = generate(1, now_ms=NOW_MS)
    demand = traffic.demand()
    assert demand.keys() == traffic.stock.keys()
    assert len(demand) == 201
    assert round(demand[FLASH_SKU] / traffic.stock[FLASH_SKU]) == 10
    covers = [traffic.stock[sku] / units for sku, units in demand.items() if sku != FLASH_SKU and units > 50]
    assert 0.88 < min(covers) < 0.95 < max(covers) <= 1.0


def test_few_skus_are_wanted_by_many_and_some_cards_are_declined() -> None:
    traffic = generate(1, now_ms=NOW_MS)
    demand = sorted((units for sku, units in traffic.demand().items() if sku != FLASH_SKU), reverse=True)
    assert demand[0] > 5 * demand[9] > 25 * demand[-1]
    declined = sum(order.payment_token == DECLINED_TOKEN for order in traffic.orders)
    assert 0.02 < declined / len(traffic.orders) < 0.04


def test_stock_can_be_scaled_without_changing_the_orders() -> None:
    scarce, plenty = (generate(1, now_ms=NOW_MS, orders=500, stock_factor=factor) for factor in (0.5, 2.0))
    assert scarce.orders == plenty.orders
    assert sum(plenty.stock.values()) > 3.5 * sum(scarce.stock.values())
