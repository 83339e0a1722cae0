"""Cases of tests/model on the real stack: the same shoppers and people, and in the end the same verdict.

What the model plays in memory is played here by real rooms on Kafka and PostgreSQL, many cases side by side in one shop.
Where the model's clock leaps over days, the rooms here wait for seconds only: so every wait comes to its end, and a case
is judged as the model judges it, by what the log holds and by the processor's books.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final, NamedTuple, Self

import msgspec
from aiokafka import AIOKafkaConsumer

from consumers.errors import RefusedError
from consumers.fulfilment.room import FulfilmentRoom
from consumers.intake.room import IntakeRoom
from consumers.inventory.room import InventoryRoom
from consumers.notifications.delivery import Deliverer
from consumers.notifications.room import NotificationsRoom
from consumers.orders.room import OrdersRoom
from consumers.payments.errors import ProcessorError
from consumers.payments.http_processor import HttpProcessor
from consumers.payments.processor import Operation, OperationKind
from consumers.payments.room import PaymentsRoom
from consumers.runtime.deciding.now import Deadlines
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres.database import Database
from consumers.runtime.room import Room
from infra.base.rooms import RECEIVER
from infra.local.sandbox_processor.judge import BY_HAND
from infra.local.supervisor import PROCESSOR
from infra.ops.audit.checks.processor_books import read_books
from infra.ops.audit.generations import replay_stages
from infra.ops.audit.inputs import AuditInputs
from infra.ops.audit.snapshot import snapshot
from schemas import messages as m
from schemas.codec.wire import decode
from schemas.ids import new_order_id
from tests.harness.shop import Shop
from tests.harness.subscriber import SECRET, listening
from tests.model.accounting import Books, Key
from tests.model.dice import Pick, seeded
from tests.model.end import End
from tests.model.orders import ORDER_IDS, sendings
from tests.model.people import People
from tests.model.processor import Account
from tests.model.simulated_owner import SimulatedOwner
from topology.saga import OF_ANY_RECORD
from topology.states import PaymentState
from topology.topics import ORDER_EVENTS

DEADLINES: Final = Deadlines(
    gather_ms=12_000,  # longer than any hold of the model's orders
    action_ms=8_000,
    ship_within_ms=8_000,
    delivery_presumed_ms=4_000,
    return_window_ms=8_000,
    return_answer_ms=3_000,
    return_arrival_ms=4_000,
)
FAULTS: Final = {
    "--lost-answer-rate": 0.03,
    "--error-rate": 0.03,
    "--duplicate-webhook-rate": 0.1,
    "--reordered-webhook-rate": 0.1,
    "--action-seconds": 1,
    "--action-decline-rate": 0.3,
}
TOKENS: Final = ("tok_ok",) * 9 + ("tok_declined", "tok_capture_fails", "tok_void_fails", "tok_refund_fails", "tok_3ds")
PATIENT_ROUNDS: Final = 2
"""How often people try what the processor refuses; then they pay back by hand."""

_NAMES: Final = ("order_id", "sku", "command_id", "cart_id", "customer_id")
_LINE_COMMANDS: Final = (m.ReleaseLine, m.CommitLine, m.ShipLine, m.ReturnLine)
_SUBSCRIBE: Final = "INSERT INTO webhook_subscriptions (subscription_id, url, secret) VALUES ('s', $1, $2)"
_WAITS: Final = """
SELECT (SELECT count(*) FROM holds WHERE state = 0)
    + (SELECT count(*) FROM orders WHERE deadline_ms IS NOT NULL)
    + (SELECT count(*) FROM payments WHERE deadline_ms IS NOT NULL AND NOT state = ANY($1))
    + (SELECT count(*) FROM fulfilments WHERE deadline_ms IS NOT NULL)
    + (SELECT count(*) FROM webhook_deliveries)
"""
_STUCK: Final = "SELECT order_id::text, state, authorization_id FROM payments WHERE state = ANY($1)"
_NEEDS_A_PERSON: Final = [PaymentState.VOID_FAILED.value, PaymentState.REFUND_FAILED.value]


class Hasty(NamedTuple):
    """Rooms that wait for seconds where the usual ones wait for days; a planted fault takes the place of one of them."""

    inventory: Room[Any]
    intake: Room[Any]
    orders: Room[Any]
    payments: Room[Any]
    fulfilment: Room[Any]


def hasty(shop: Shop, *, orders: type[OrdersRoom] = OrdersRoom, payments: type[PaymentsRoom] = PaymentsRoom) -> Hasty:
    """Return the rooms of a shop."""
    processor = HttpProcessor(shop.supervisor.processor_url)
    return Hasty(
        InventoryRoom(),
        IntakeRoom(),
        orders(deadlines=DEADLINES),
        payments(processor, shop.publisher, deadlines=DEADLINES),
        FulfilmentRoom(deadlines=DEADLINES),
    )


class Case:
    """One case of a seed under names of its own, so that many share a shop."""

    def __init__(self, seed: int, number: int) -> None:
        self.pick: Pick = seeded(seed << 40 | number)
        self.orders = {name: new_order_id() for name in ORDER_IDS}
        tokens = {order_id: TOKENS[self.pick(len(TOKENS))] for order_id in self.orders.values()}
        self.unsent = [self._renamed(message, number, tokens) for message in sendings(self.pick)]
        self.people = People(self.pick)

    def _renamed(self, message: m.Message, number: int, tokens: dict[str, str]) -> m.Message:
        known = {name: value for name in _NAMES if (value := getattr(message, name, ""))}
        changed = {name: self.orders.get(value, f"{value} {number}") for name, value in known.items()}
        if isinstance(message, m.PlaceOrderLine):
            changed["payment_token"] = tokens[changed["order_id"]]
        return msgspec.structs.replace(message, **changed)

    def next(self) -> list[m.Message]:
        """Return the next command, now and then twice."""
        message = self.unsent.pop(self.pick(len(self.unsent)))
        return [message] * (2 if self.pick(10) == 1 else 1)


class Audience:
    """Reads order.events and lets the people of each case hear each fact once; notes who `meddled` with which lines."""

    def __init__(self, shop: Shop, cases: Iterable[Case]) -> None:
        self.meddled: set[Key] = set()
        self._shop = shop
        self._case_of = {order_id: case for case in cases for order_id in case.orders.values()}
        self._known: set[bytes] = set()
        self._consumer = AIOKafkaConsumer(
            ORDER_EVENTS.in_namespace(shop.settings.namespace),
            bootstrap_servers=shop.settings.kafka_bootstrap,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def say(self, messages: Sequence[m.Message]) -> None:
        """Publish what people send."""
        self.meddled |= {
            (message.order_id, message.line, message.sku) for message in messages if isinstance(message, _LINE_COMMANDS)
        }
        await self._shop.say(*messages)

    async def read_to_the_end(self) -> bool:
        """Let people hear all that was said so far, and answer; return whether they had nothing to say."""
        ends = await self._consumer.end_offsets(self._consumer.assignment())
        wishes: list[m.Message] = []
        while any([await self._consumer.position(tp) < end for tp, end in ends.items()]):
            for records in (await self._consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    if (name := dict(record.headers).get("ce_id")) is not None:  # the rules' version has none
                        wishes += self._commands_after(name, decode(record.value))
        await self.say(wishes)
        return not wishes

    def _commands_after(self, name: bytes, fact: Any) -> list[m.Message]:
        case = self._case_of.get(fact.order_id)
        if name in self._known or case is None:
            return []
        self._known.add(name)
        return case.people.apply(fact)


@asynccontextmanager
async def at_work(shop: Shop, rooms: Hasty) -> AsyncIterator[None]:
    """Run these rooms, notifications with a subscriber, the processor, and the receiver that it tells its outcomes to."""
    async with AsyncExitStack() as owners:
        for name in (RECEIVER, PROCESSOR):
            await shop.supervisor.start(name)
        subscriber = await owners.enter_async_context(listening())
        await shop.database.execute(_SUBSCRIBE, subscriber.url, SECRET)
        notifications = NotificationsRoom(Deliverer(Database(shop.settings.postgres_dsn or "", "webhooks")))
        for room in (*rooms, notifications):
            await owners.enter_async_context(shop.owning(PartitionOwner(room, shop.options(), shop.publisher)))
        yield


async def play(shop: Shop, cases: Sequence[Case]) -> set[Key]:
    """Play cases side by side until nobody has anything to say and nothing waits; return the lines that were meddled with."""
    async with Audience(shop, cases) as audience:
        while unfinished := [case for case in cases if case.unsent]:
            await audience.say([message for case in unfinished for message in case.next()])
            await audience.read_to_the_end()
        await come_to_rest(shop, audience)
        for _ in range(PATIENT_ROUNDS):
            await audience.say([message for case in cases for message in case.people.help_all()])
            await come_to_rest(shop, audience)
        while stuck := await shop.database.fetch(_STUCK, _NEEDS_A_PERSON):
            await free_by_hand(shop, [row["authorization_id"] for row in stuck if row["state"] == "void_failed"])
            await audience.say([m.ResolveOrder(row["order_id"], "support", "paid back by hand") for row in stuck])
            await come_to_rest(shop, audience)
        return audience.meddled


async def free_by_hand(shop: Shop, authorization_ids: Sequence[str]) -> None:
    """Void these at the processor's dashboard."""
    processor = HttpProcessor(shop.supervisor.processor_url)
    for name in authorization_ids:
        void = Operation(f"{BY_HAND}{name}", "", OperationKind.VOID, 0, "", "", "", name)
        with suppress(ProcessorError):  # it has faults, and is asked again under the same key
            await processor.perform(void)
    await processor.close()


async def come_to_rest(shop: Shop, audience: Audience) -> None:
    """Wait until all is decided and heard, and no clock has anything to end. What a person has to see to may be left."""

    async def at_rest() -> bool:
        return (
            await audience.read_to_the_end()
            and not await shop.value(_WAITS, _NEEDS_A_PERSON)
            and await shop.is_quiet(*shop.rooms_at_work)
            and not await shop.value(_WAITS, _NEEDS_A_PERSON)
            and await audience.read_to_the_end()
        )

    await shop.until(at_rest)


async def end_of(shop: Shop, rooms: Hasty, meddled: set[Key]) -> End:
    """Return what is left: each room's history and state by a replay of the log, and the processor's books.

    That the replay says what was said, and comes to what the tables hold, is for `Shop.assert_sound` to see.
    """
    owners: dict[tuple[str, int], SimulatedOwner] = {}
    async with snapshot(shop.settings) as database, shop.log() as log:
        inputs = AuditInputs(database, log)
        await inputs.gather()
        for room in rooms:
            async for stage in replay_stages(inputs, room, range(inputs.partitions(room))):
                replay = stage.replay
                books = Books() if room is rooms.inventory else None
                owner = owners[room.name, replay.partition] = SimulatedOwner(room, replay.partition, books)
                owner.state = replay.state
                async for decision in inputs.decisions(replay, replay.partition, stage.ranges):
                    assert isinstance(decision.message, m.Message), decision
                    messages = (_message_of(output.value) for output in decision.outputs)
                    outputs = [message for message in messages if type(message) not in OF_ANY_RECORD]
                    owner.history.append(((decision.message, decision.at_ms), outputs))
                    if books is not None:
                        books.apply(decision.message, outputs, decision.at_ms)
    all_books = [owner.books for owner in owners.values() if owner.books is not None]
    return End(owners, all_books, await _accounts(shop), meddled)


def _message_of(value: bytes | None) -> m.Message | RefusedError:
    message = decode(value or b"")
    return RefusedError(message.reason, message.detail) if isinstance(message, m.DeadLetter) else message


async def _accounts(shop: Shop) -> list[Account]:
    books = await read_books(shop.supervisor.processor_url) or {}
    return [
        Account(line.order_id, line.authorized_minor, line.captured_minor, line.voided_minor, line.refunded_minor)
        for lines in books.values()
        for line in lines
    ]
