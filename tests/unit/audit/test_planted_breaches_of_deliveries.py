"""What `verify` must find of notifications and their deliveries."""

from __future__ import annotations

from typing import cast

from consumers.notifications.store import body_of
from infra.ops.audit.rows import DeliveryRow
from schemas import messages as m
from schemas.codec.wire import decode
from tests.unit.audit.scenes import (
    NOTICES,
    REPLAY,
    breaches_of,
    busy_world,
    changing,
)
from tests.unit.audit.world import World


async def test_a_notification_that_nobody_published_is_not_delivered() -> None:
    world = busy_world(World())
    database = world.stop()
    database.to_deliver = [DeliveryRow("shop", "nobody:order.paid", "{}", world.now_ms, is_parked=False)]
    report = await world.audit(database)
    assert report.breaches == {NOTICES}
    assert report.finding(NOTICES).examples == [
        "nobody:order.paid is to be delivered to 1 subscribers, but was never published"
    ]


async def test_a_delivery_with_another_body_and_one_that_nobody_makes() -> None:
    world = busy_world(World())
    published = [decode(record.value) for part in world.log.topics["order.notifications"] for record in part]
    first, second, third = (cast("m.OrderNotification", message) for message in published[:3])
    database = world.stop()
    long_ago = world.now_ms - 11 * 60_000
    database.to_deliver = [
        DeliveryRow("shop", first.event_id, body_of(first), world.now_ms, is_parked=False),
        DeliveryRow("shop", second.event_id, "{}", world.now_ms, is_parked=False),
        DeliveryRow("shop", third.event_id, body_of(third), long_ago, is_parked=False),
        DeliveryRow("parked", third.event_id, body_of(third), long_ago, is_parked=True),
    ]
    report = await world.audit(database)
    assert report.breaches == {NOTICES}
    assert report.finding(NOTICES).examples == [
        f"{third.event_id} for shop has been due for 11 minutes",
        f"{second.event_id} for shop has another body than was published",
    ]


async def test_a_notification_that_was_changed() -> None:
    world = busy_world(changing(m.OrderNotification, detail="changed"))
    assert await breaches_of(world) == {REPLAY}
