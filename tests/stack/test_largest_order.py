"""The largest order that is lawful goes the whole way: no event of it is larger than its topic takes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from infra.base.settings import Settings
from producers.clients.orders import OrderLine
from schemas import messages as m
from schemas.codec.wire import decode
from schemas.limits import MAX_LINES, MAX_TEXT
from tests.harness.shop import in_miniature, open_shop, order
from topology.topics import MAX_RECORD_BYTES, ORDER_EVENTS


@pytest.mark.slow
async def test_the_largest_lawful_order_is_paid(settings: Settings, tmp_path: Path) -> None:
    """Its OrderPaid has 1.2 MB; topics took 1 MiB, and every owner that got the partition ended in a crash loop."""
    skus = [f"{'水' * (MAX_TEXT - 5)}{number:05}" for number in range(MAX_LINES)]
    lines = tuple(OrderLine(sku, 1, 1) for sku in skus)
    largest = msgspec.structs.replace(order((skus[0], 1)), lines=lines)
    async with open_shop(in_miniature(settings), tmp_path) as shop, shop.running():
        await shop.say(*(m.ReceiveStock(f"r-{number}", sku, 1) for number, sku in enumerate(skus)))
        await shop.place(largest)
        await shop.until_quiet(orders=1)
        assert await shop.state(largest) == ("paid", "")
        sizes = {type(decode(record.value)): len(record.value or b"") for record in await shop.records(ORDER_EVENTS)}
        assert sizes[m.OrderPaid] > MAX_RECORD_BYTES
        await shop.assert_sound()
