"""Customers, merchants and carriers of a run: they place orders, hear of facts, and do what their fate says about them.

They hear each fact once, however often it is published, take their time, and say now and then twice what they have to say.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer

from producers.clients.orders import place_order_lines
from schemas import messages as m
from schemas.codec.wire import decode
from schemas.terms import CAPTURE_AT_SHIPPING
from tests.harness.outside import asked
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from infra.base.settings import Settings
    from producers.publisher import Publisher
    from schemas.messages import Message
    from tests.chaos.plan import Fate, Plan

TICK_SECONDS: Final = 0.05
SLOWEST_SECONDS: Final = 1.5
"""Longest time from hearing of something until it is acted upon."""
SENT_TWICE: Final = 0.03
TOO_EARLY: Final = "not_paid"
"""Fulfilment's word for an order of which it has heard nothing."""


class People:
    """Everybody outside the system. `placed` counts orders."""

    def __init__(self, plan: Plan, fates: Sequence[Fate], settings: Settings, publisher: Publisher) -> None:
        self.placed = 0
        self._plan = plan
        self._fates = {fate.order.order_id: fate for fate in fates}
        self._publisher = publisher
        self._draw = random.Random(plan.seed + 1)
        self._consumer = AIOKafkaConsumer(
            ORDER_EVENTS.in_namespace(settings.namespace),
            bootstrap_servers=settings.kafka_bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        self._known: set[bytes] = set()
        self._asked: dict[tuple[str, str], m.ShipOrder] = {}
        self._parcels: dict[tuple[str, str], tuple[int, ...]] = {}
        self._has_sent_back: set[str] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._reader: asyncio.Task[None] | None = None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))
        self._reader = asyncio.create_task(self._read_all(), name="people")
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [task for task in (self._reader, *self._busy) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._consumer.stop()
        if self._http is not None:
            await self._http.close()

    async def is_idle(self) -> bool:
        """Tell whether all that was said so far is heard and acted upon. Raises what hearing failed with."""
        if self._reader is not None and self._reader.done():
            await self._reader
        if self._busy:
            return False
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        return all([await self._consumer.position(tp) >= end for tp, end in ends.items()]) and not self._busy

    async def place_all(self) -> None:
        """Place the orders at their rate."""
        loop = asyncio.get_running_loop()
        began, fates = loop.time(), list(self._fates.values())
        while self.placed < len(fates):
            due = min(len(fates), int((loop.time() - began) * self._plan.orders_per_second) + 1)
            batch, self.placed = fates[self.placed : due], due
            lines = [line for fate in batch for line in place_order_lines(fate.order) if line.line != fate.never_sent]
            await self._say(*lines)
            for fate in batch:
                if fate.changes_mind_after is not None:
                    cancel = m.CancelOrder(fate.order.order_id, self._draw.choice(("customer", "merchant")), "thought")
                    self._later(self._say(cancel), fate.changes_mind_after)
            await asyncio.sleep(TICK_SECONDS)

    # --- hearing ----------------------------------------------------------------------------------------------------------

    async def _read_all(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    name = dict(record.headers).get("ce_id", b"")
                    if name not in self._known:
                        self._known.add(name)
                        self._apply(decode(record.value))

    def _apply(self, fact: Any) -> None:
        react = _REACTIONS.get(type(fact))
        fate = self._fates.get(getattr(fact, "order_id", ""))
        if react is not None and fate is not None:
            react(self, fate, fact)

    def _ship(self, fate: Fate, fact: m.OrderPaid | m.OrderPlaced) -> None:
        if isinstance(fact, m.OrderPlaced) and CAPTURE_AT_SHIPPING not in fact.terms.split():
            return
        order_id, parcels = fact.order_id, min(fate.parcels, len(fact.lines))
        if fate.kindness_minor and isinstance(fact, m.OrderPaid):
            self._reply(m.RefundOrder(order_id, "kindness", fate.kindness_minor, "kindness"))
        requests = []
        if parcels:
            requests = [m.ShipOrder(order_id, "S1", () if parcels == 1 else (fact.lines[0].line,), "post", "T1")]
        if parcels == 2:
            requests.append(m.ShipOrder(order_id, "S2", (), "van", "T2"))
        self._asked |= {(order_id, request.shipment_id): request for request in requests}
        if requests:
            self._reply(*requests)

    def _ship_again(self, fate: Fate, fact: m.OrderCommandRefused) -> None:
        """Say it again where fulfilment, killed meanwhile, read of the wish before it read of the payment."""
        del fate
        request = self._asked.get((fact.order_id, fact.reference))
        if fact.command == "ShipOrder" and fact.reason == TOO_EARLY and request is not None:
            self._reply(request)

    def _carry(self, fate: Fate, fact: m.ShipmentShipped) -> None:
        self._parcels[fact.order_id, fact.shipment_id] = fact.lines
        if fate.journey == "arrives" or (fate.journey == "is_lost" and fact.shipment_id != "S1"):
            self._reply(m.ConfirmDelivery(fact.order_id, fact.shipment_id))
        elif fate.journey == "is_lost":
            self._reply(m.ReportLostParcel(fact.order_id, fact.shipment_id, "fell off"))

    def _send_back(self, fate: Fate, fact: m.ShipmentDelivered) -> None:
        order_id, lines = fact.order_id, self._parcels.get((fact.order_id, fact.shipment_id), ())
        if fate.sends_back == "one":
            lines = () if order_id in self._has_sent_back else lines[:1]
            self._has_sent_back.add(order_id)
        if fate.sends_back != "nothing" and lines:
            self._reply(m.RequestReturn(order_id, f"back-{fact.shipment_id}", lines, "too small"))

    def _answer(self, fate: Fate, fact: m.ReturnRequested) -> None:
        if fate.way_back == "refused":
            self._reply(m.RefuseReturn(fact.order_id, fact.return_id, "worn"))
        elif fate.way_back != "unanswered":
            self._reply(m.ApproveReturn(fact.order_id, fact.return_id))

    def _receive(self, fate: Fate, fact: m.ReturnApproved) -> None:
        if fate.way_back == "received":
            self._reply(m.ReceiveReturn(fact.order_id, fact.return_id, (), fate.disposition))

    def _confirm(self, fate: Fate, fact: m.PaymentRequiresAction) -> None:
        if fate.confirms is not None:
            self._later(self._answer_at_processor(fact.action_url, confirm=fate.confirms), self._pause())

    # --- acting -----------------------------------------------------------------------------------------------------------

    def _reply(self, *messages: Message) -> None:
        self._later(self._say(*messages), self._pause())

    def _pause(self) -> float:
        return self._draw.random() * SLOWEST_SECONDS

    def _later(self, deed: Coroutine[Any, Any, None], seconds: float) -> None:
        task = asyncio.create_task(_after(seconds, deed))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _say(self, *messages: Message) -> None:
        twice = messages if self._draw.random() < SENT_TWICE else ()
        await self._publisher.publish([asked(message) for message in (*messages, *twice)])

    async def _answer_at_processor(self, action_url: str, *, confirm: bool) -> None:
        """Say it until it is heard: the card network is not what is tried here."""
        if self._http is None:
            return
        while True:
            try:
                async with self._http.post(action_url, data=msgspec.json.encode({"confirm": confirm})) as answer:
                    if answer.ok:
                        return
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            await asyncio.sleep(TICK_SECONDS)


_REACTIONS: Final[Mapping[type[Message], Callable[[People, Fate, Any], None]]] = {
    m.OrderPlaced: People._ship,
    m.OrderPaid: People._ship,
    m.PaymentRequiresAction: People._confirm,
    m.OrderCommandRefused: People._ship_again,
    m.ShipmentShipped: People._carry,
    m.ShipmentDelivered: People._send_back,
    m.ReturnRequested: People._answer,
    m.ReturnApproved: People._receive,
}


async def _after(seconds: float, deed: Coroutine[Any, Any, None]) -> None:
    await asyncio.sleep(seconds)
    await deed
