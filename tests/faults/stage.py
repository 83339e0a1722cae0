"""A shop on which stories are played, and all that is left of an order in the end."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any, NamedTuple

import msgspec

from infra.base.rooms import ROOMS
from infra.ops.audit.checks.processor_books import read_books
from producers.clients.orders import OrderRequest
from schemas import messages as m
from schemas.codec.wire import decode
from tests.faults.stories import _MONEY, Story
from tests.harness.shop import Shop, order
from tests.harness.subscriber import Subscriber
from topology.topics import ORDER_EVENTS, ORDER_NOTIFICATIONS

_DELIVERIES = "SELECT count(*) FROM webhook_deliveries"


_ATTEMPTS = "SELECT kind, amount_minor, result, reference FROM payment_attempts WHERE order_id = $1 ORDER BY 1, 2, 3, 4"


_MAY_REPEAT = {"LineCommandRefused"}
"""What was published and not acknowledged is published again: inventory says of the second that it was done."""


class Outcome(NamedTuple):
    """All that is left of an order, with its id left out."""

    state: str
    money: tuple[Any, ...]
    attempts: list[tuple[Any, ...]]
    books: list[tuple[int, ...]]
    events: Counter[str]
    notifications: set[str]
    levels: list[tuple[int, int, int]]


class Stage:
    """A shop with every room but one at work, a subscriber, and stories that are played there."""

    def __init__(self, shop: Shop, subscriber: Subscriber) -> None:
        self.shop = shop
        self.subscriber = subscriber
        self._numbers = itertools.count(1)

    async def ready(self, story: Story) -> OrderRequest:
        number = next(self._numbers)
        skus = (f"A{number}", f"B{number}")
        await self.shop.receive(**dict.fromkeys(skus, 5))
        return msgspec.structs.replace(order((skus[0], 2), (skus[1], 1), token=story.token), terms=story.terms)

    async def live(self, story: Story, request: OrderRequest) -> None:
        await self.shop.place(request)
        for step in story.steps:
            await self.shop.until(lambda step=step: self.shop.value(step.when, request.order_id))  # type: ignore[misc]
            await self.shop.say(*(say(request.order_id) for say in step.messages))
        await self.shop.until(lambda: self.shop.value(story.end, request.order_id))
        await self.shop.until_quiet(*ROOMS)
        await self.shop.until(self._all_delivered)

    async def _all_delivered(self) -> bool:
        return not await self.shop.value(_DELIVERIES)

    async def outcome(self, request: OrderRequest) -> Outcome:
        """Return what is left, and see that nobody was told of nothing."""
        order_id, database = request.order_id, self.shop.database
        books = (await read_books(self.shop.supervisor.processor_url) or {}).get(order_id, [])
        log = [record for record in await self.shop.records(ORDER_EVENTS) if _is_of(record, request)]
        facts = {ids["ce_id"]: record.value for record in log if "ce_id" in (ids := dict(record.headers))}
        notified = {
            _notification(record.value)
            for record in await self.shop.records(ORDER_NOTIFICATIONS)
            if _is_of(record, request)
        }
        assert notified <= set(self.subscriber.taken)
        levels = await self.shop.levels()
        return Outcome(
            state=(await self.shop.state(request))[0],
            money=tuple(await database.fetchrow(_MONEY, order_id) or ()),
            attempts=[tuple(row) for row in await database.fetch(_ATTEMPTS, order_id)],
            books=[
                (account.authorized_minor, account.captured_minor, account.voided_minor, account.refunded_minor)
                for account in books
            ],
            events=Counter(
                name for value in facts.values() if (name := type(decode(value)).__name__) not in _MAY_REPEAT
            ),
            notifications={name.replace(order_id, "") for name in notified},
            levels=[msgspec.structs.astuple(levels[line.sku]) for line in request.lines],
        )


def _is_of(record: Any, request: OrderRequest) -> bool:
    return bool(record.key == request.order_id.encode())


def _notification(value: bytes | None) -> str:
    notification = decode(value or b"")
    assert isinstance(notification, m.OrderNotification)
    return notification.event_id
