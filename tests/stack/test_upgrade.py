"""A live system of the previous release, taken over: no order lost or doubled, and the books hold."""

from __future__ import annotations

import signal
from pathlib import Path

import msgspec
import pytest

from infra.base.settings import Settings
from tests.harness.releases import previous_release
from tests.harness.shop import in_miniature, open_shop, order

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_a_system_of_the_previous_release_is_taken_over(
    settings: Settings, tmp_path: Path, end: signal.Signals
) -> None:
    small = in_miniature(settings)
    async with previous_release(small, tmp_path) as previous:
        ids = await previous.fill()
        lost = ids.pop("misrouted")
        await previous.stop(end)
    async with open_shop(small, tmp_path, migrated=False) as shop:
        await shop.start_processes()
        await shop.until_quiet()
        rows = await shop.database.fetch("SELECT order_id::text, state FROM orders")
        states = {row["order_id"]: row["state"] for row in rows}
        assert {name: states[order_id] for name, order_id in ids.items()} == {
            "paid": "paid",
            "shipped": "shipped",
            "delivered": "delivered",
            "returned": "delivered",
            "refunded": "paid",
            "cancelled": "cancelled",
            "at_shipping": "placed",
            "declined": "rejected",
            "capture_failed": "cancelled",
            "requires_action": "reserved",
            "sold_out": "rejected",
            "blank": "paid",
            "foreign": "paid",
        }
        report = await shop.audit()
        assert report.breaches == {"dead_letters"}, "an order that was misrouted then was lost"
        assert lost in report.finding("dead_letters").examples[0]
        await shop.place(msgspec.structs.replace(order(("MUG", 1)), order_id=lost))
        await shop.until_quiet()
        assert await shop.value("SELECT state FROM orders WHERE order_id = $1", lost) == "paid"
        await shop.assert_sound()
