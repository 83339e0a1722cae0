"""Payments with a real database: what is saved and loaded, what an upgrade makes of old rows, and what time ends."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from consumers.errors import RefusedError
from consumers.payments import store
from consumers.payments.http_processor import HttpProcessor
from consumers.payments.processor import OperationKind
from consumers.payments.room import PaymentsRoom
from consumers.payments.state import Payment, operation_id
from consumers.payments.store import PaymentsState
from consumers.runtime.claim import Claim
from consumers.runtime.deciding.batch import PartitionBatch
from consumers.runtime.deciding.now import DEADLINES, Deadlines
from consumers.runtime.owner import PartitionOwner
from consumers.runtime.postgres.commit import _arguments, commit_statement
from infra.base.migrate import MIGRATIONS, migrate, read_migrations
from infra.base.settings import Settings
from infra.local.supervisor import PROCESSOR
from schemas import messages as m
from schemas.ids import new_order_id
from schemas.terms import CAPTURE_AT_SHIPPING
from tests.given_when_then import NOW_MS, A, B, C
from tests.harness.shop import Shop, in_miniature, open_shop
from tests.unit.payments.dsl import AT_SHIPPING, LAPSES_MS, REQUIRES_ACTION
from tests.unit.payments.message_generator import message

ROOM = PaymentsRoom(cast("Any", None), cast("Any", None))
ROOM.guards = frozenset()  # no room has decided what it gets here


@pytest_asyncio.fixture
async def connection(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    assert settings.postgres_dsn is not None
    await migrate(settings.postgres_dsn)
    connection = await asyncpg.connect(settings.postgres_dsn)
    await connection.execute(
        "INSERT INTO claims (room, partition, epoch, next_offsets, at_ms, batch) VALUES ('payments', 0, 1, '{0}', 0, 0)"
    )
    yield connection
    await connection.close()


class Memory:
    """Partition 0 of the room. One that is `uncached` knows nothing from batch to batch but what it loads."""

    def __init__(self, connection: asyncpg.Connection, *, uncached: bool) -> None:
        self.connection, self.uncached = connection, uncached
        self.book = PaymentsState(0)
        self.batch = 0

    async def apply_message(self, incoming: m.Message, at_ms: int) -> Any:
        """Return what is said and asked, or why nothing is."""
        if self.uncached:
            self.book.forget()
            await ROOM.load(self.connection, [(self.book, [incoming])], thorough=False)
        try:
            outcomes: Any = list(ROOM.decide(self.book, incoming, at_ms))
        except RefusedError as refusal:
            outcomes = refusal.reason
        changes = ROOM.close_batch(self.book, at_ms)
        if self.uncached:
            await self._save(changes)
        return outcomes, changes.effects

    async def _save(self, changes: Any) -> None:
        before, self.batch = self.batch, self.batch + 1
        claim = Claim(0, 1, self.batch, 0, self.batch, self.book)
        part = PartitionBatch(ROOM, claim, before, self.batch, 0, self.batch, [], changes, "")
        await self.connection.fetchval(commit_statement((ROOM.save,)), *_arguments([ROOM], [part]))


def payment_of(state: PaymentsState, order_id: str) -> Payment:
    return state.by_order.get(order_id) or Payment(order_id)


def seen(payment: Payment) -> dict[str, Any]:
    return {**msgspec.structs.asdict(payment), "is_stored": True}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.release) for seed in (1, 2))])
async def test_a_payment_that_is_saved_and_loaded_goes_on_as_if_it_had_been_kept_in_mind(
    connection: asyncpg.Connection, seed: int
) -> None:
    dice = random.Random(seed)
    kept, loaded = Memory(connection, uncached=False), Memory(connection, uncached=True)
    for _ in range(12):
        order_id, at_ms = new_order_id(NOW_MS), NOW_MS
        for _ in range(25):
            at_ms += dice.choice((0, 1, 1_000_000))
            incoming = message(payment_of(kept.book, order_id), dice)
            if not isinstance(incoming, m.EndWaits):
                incoming = msgspec.structs.replace(incoming, order_id=order_id)
            if isinstance(incoming, m.RecordPaymentResult):
                incoming = msgspec.structs.replace(incoming, operation_id=incoming.operation_id.replace(A, order_id))
            assert await loaded.apply_message(incoming, at_ms) == await kept.apply_message(incoming, at_ms)
        await ROOM.load(connection, [(loaded.book, [m.RetryOrder(order_id, "merchant")])], thorough=False)
        assert seen(payment_of(loaded.book, order_id)) == seen(payment_of(kept.book, order_id))
    pending = {operation.operation_id: operation for operation in await store.load_pending(connection, 0, 1_000)}
    under_way = {payment.under_way for payment in kept.book.by_order.values() if payment.under_way}
    assert set(pending) == under_way


async def test_the_operation_that_an_owner_left_is_found_as_it_was_asked(connection: asyncpg.Connection) -> None:
    memory = Memory(connection, uncached=True)
    asked: list[Any] = []
    for incoming in (*AT_SHIPPING, m.ShipmentRequested(A, "parcel-1", (1,), 300)):
        _, effects = await memory.apply_message(incoming, NOW_MS)
        asked += effects
    assert await store.load_pending(connection, 0, 1_000) == asked[-1:]
    assert not asked[-1].is_last


async def test_a_cancellation_that_an_owner_left_names_what_its_customer_was_to_confirm(
    connection: asyncpg.Connection,
) -> None:
    memory = Memory(connection, uncached=True)
    for incoming in REQUIRES_ACTION:
        await memory.apply_message(incoming, NOW_MS)
    _, asked = await memory.apply_message(m.EndWaits("payments", LAPSES_MS, 1), LAPSES_MS)
    assert [operation.unconfirmed_id for operation in asked] == [operation_id(A, OperationKind.AUTHORIZE)]
    assert await store.load_pending(connection, 0, 1_000) == asked


async def test_waits_are_ended_in_the_order_in_which_they_end_and_only_so_many_at_a_time(
    connection: asyncpg.Connection,
) -> None:
    memory = Memory(connection, uncached=True)
    for late_ms, order_id in ((0, B), (0, A), (5, C)):
        for incoming in REQUIRES_ACTION:
            own_message = msgspec.structs.replace(incoming, order_id=order_id)
            if isinstance(own_message, m.RecordPaymentResult):
                own_message = msgspec.structs.replace(
                    own_message, operation_id=operation_id(order_id, OperationKind.AUTHORIZE)
                )
            await memory.apply_message(own_message, NOW_MS + late_ms)
    until_ms = NOW_MS + DEADLINES.action_ms
    await ROOM.load_earliest_deadline(connection, memory.book)
    assert memory.book.waits.earliest_ms == until_ms
    assert ROOM.reminder(memory.book, until_ms - 1) is None
    assert ROOM.reminder(memory.book, until_ms) == m.EndWaits("payments", until_ms, 500)
    assert ROOM.reminder(memory.book, until_ms + 1) is None, "the log had no time to answer"
    assert await memory.apply_message(m.EndWaits("fulfilment", LAPSES_MS, 500), LAPSES_MS) == ([], [])
    voided: list[list[str]] = []
    for _ in range(4):
        _, effects = await memory.apply_message(m.EndWaits("payments", LAPSES_MS, 1), LAPSES_MS)
        voided.append([effect.order_id for effect in effects])
    assert voided == [[A], [B], [C], []]
    assert memory.book.waits.overdue(LAPSES_MS, 10) == []
    assert ROOM.reminder(memory.book, LAPSES_MS) is None


OLD = {
    "authorizing": (("authorize", "pending"),),
    "declined": (("authorize", "failed"),),
    "authorized": (("authorize", "succeeded"),),
    "captured": (("authorize", "succeeded"), ("capture", "succeeded")),
    "capture_failed": (("authorize", "succeeded"), ("capture", "declined")),
    "voided": (("authorize", "succeeded"), ("capture", "failed"), ("void", "succeeded")),
    "void_failed": (("authorize", "succeeded"), ("void", "failed")),
}


async def test_payments_from_before_the_ledger_keep_true_figures(settings: Settings, tmp_path: Path) -> None:
    assert settings.postgres_dsn is not None
    for migration in read_migrations(MIGRATIONS):
        if migration.name < "0008":
            (tmp_path / f"{migration.name}.sql").write_text(migration.sql)
    await migrate(settings.postgres_dsn, tmp_path)
    connection = await asyncpg.connect(settings.postgres_dsn)
    orders = {new_order_id(NOW_MS): state for state in OLD}
    for order_id, state in orders.items():
        await connection.execute(
            "INSERT INTO payments VALUES ($1, 0, $2, 500, 'EUR', 'ann', 'tok_ann', $3, $4, 7)",
            order_id,
            state,
            "" if state in ("authorizing", "declined") else "auth_1",
            state.startswith("void"),
        )
        for kind, result in OLD[state]:
            name = operation_id(order_id, OperationKind(kind))
            begun = "INSERT INTO payment_attempts VALUES ($1, $2, 0, $3, $4, 6)"
            await connection.execute(begun, name, order_id, kind, result)
    await migrate(settings.postgres_dsn)
    book = PaymentsState(0)
    await ROOM.load(connection, [(book, [m.RetryOrder(order_id, "merchant") for order_id in orders])], thorough=False)
    by_state = {orders[order_id]: payment for order_id, payment in book.by_order.items()}
    figures = {
        state: (payment.authorized_minor, payment.captured_minor, payment.voided_minor, payment.refunded_minor)
        for state, payment in by_state.items()
    }
    assert figures == {
        "authorizing": (0, 0, 0, 0),
        "declined": (0, 0, 0, 0),
        "authorized": (500, 0, 0, 0),
        "captured": (500, 500, 0, 0),
        "capture_failed": (500, 0, 0, 0),
        "voided": (500, 0, 500, 0),
        "void_failed": (500, 0, 0, 0),
    }
    assert {attempt.result for attempt in by_state["declined"].attempts.values()} == {"declined"}
    assert {attempt.result for attempt in by_state["capture_failed"].attempts.values()} == {"succeeded", "failed"}
    assert by_state["authorizing"].under_way
    assert all(attempt.amount_minor == 500 for payment in by_state.values() for attempt in payment.attempts.values())
    with pytest.raises(asyncpg.CheckViolationError, match="payments_balance"):
        await connection.execute("UPDATE payments SET refunded_minor = captured_minor + 1")
    await connection.close()


# --- the whole room -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def paying(settings: Settings, folder: Path, *options: str) -> AsyncIterator[Shop]:
    """Run payments alone, which waits for a confirmation for a second. No room has decided the events that it gets here."""
    async with open_shop(in_miniature(settings), folder, options) as shop:
        await shop.supervisor.start(PROCESSOR)
        processor = HttpProcessor(shop.supervisor.processor_url)
        room = PaymentsRoom(processor, shop.publisher, deadlines=Deadlines(action_ms=1_000))
        room.guards = frozenset()
        async with shop.owning(PartitionOwner(room, shop.options(), shop.publisher)):
            yield shop


async def until_it_is(shop: Shop, order_id: str, state: str) -> None:
    async def is_there() -> bool:
        return bool(await shop.value("SELECT true FROM payments WHERE order_id = $1 AND state = $2", order_id, state))

    await shop.until(is_there)


async def test_what_nobody_confirms_is_cancelled_at_the_processor_and_declined(
    settings: Settings, tmp_path: Path
) -> None:
    async with paying(settings, tmp_path, "--requires-action-rate", "1", "--action-seconds", "0") as shop:
        order_id = new_order_id()
        await shop.say(m.OrderReserved(order_id, 1, 500, "EUR", "ann", "tok_ann"))
        await until_it_is(shop, order_id, "declined")
        attempts = await shop.database.fetch(
            "SELECT kind, result, reference FROM payment_attempts WHERE order_id = $1 ORDER BY started_at_ms, kind",
            order_id,
        )
        assert [tuple(attempt) for attempt in attempts] == [
            ("authorize", "abandoned", ""),
            ("void", "succeeded", "unconfirmed"),
        ]


async def test_an_authorisation_that_lapses_is_renewed_until_the_order_is_over(
    settings: Settings, tmp_path: Path
) -> None:
    async with paying(settings, tmp_path, "--authorization-seconds", "2") as shop:
        order_id = new_order_id()
        await shop.say(
            m.OrderReserved(order_id, 1, 500, "EUR", "ann", "tok_ann"),
        )
        await until_it_is(shop, order_id, "authorized")
        await shop.say(m.OrderPlaced(order_id, 500, "EUR", CAPTURE_AT_SHIPPING))

        async def renewed() -> bool:
            query = "SELECT count(*) FROM payment_attempts WHERE order_id = $1 AND kind = 'authorize'"
            return int(await shop.value(query, order_id)) >= 2

        await shop.until(renewed)
        await shop.say(m.OrderCancelled(order_id, "no", "customer"))
        await until_it_is(shop, order_id, "voided")
        figures = "SELECT authorized_minor, voided_minor, deadline_ms FROM payments WHERE order_id = $1"
        [(authorized_minor, voided_minor, deadline_ms)] = await shop.database.fetch(figures, order_id)
        assert authorized_minor == voided_minor >= 1000
        assert deadline_ms is None
