"""Customers who confirm a payment when nobody tells us: real broker, real database, simulated processor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from typing_extensions import override

from consumers.payments.http_processor import HttpProcessor
from consumers.payments.processor import Operation, OperationKind, ProcessorResult
from consumers.payments.room import PaymentsRoom
from consumers.payments.store import PaymentsState
from consumers.runtime.deciding.now import Deadlines
from consumers.runtime.owner import PartitionOwner
from infra.base.rooms import replayed_rooms
from infra.base.settings import Settings
from infra.local.supervisor import PROCESSOR
from producers.clients.orders import OrderRequest
from schemas.messages import Message
from tests.harness.shop import Level, Shop, in_miniature, open_shop, order

DEADLINES: Final = Deadlines(action_ms=1_000)
_NOBODY: Final[Any] = None
DECIDERS: Final = tuple(
    PaymentsRoom(_NOBODY, _NOBODY, deadlines=DEADLINES) if isinstance(room, PaymentsRoom) else room
    for room in replayed_rooms()
)
"""Who replays what rooms have decided that wait for so short a time."""
ATTEMPTS: Final = "SELECT kind, result, reference FROM payment_attempts ORDER BY started_at_ms, kind"
FIGURES: Final = "SELECT authorized_minor, captured_minor, voided_minor FROM payments"


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop whose processor sends no webhooks."""
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


class NeverReminded(PaymentsRoom):
    """Asks for no end of any wait."""

    @override
    def reminder(self, state: PaymentsState, now_ms: int) -> Message | None:
        return None


class NeverLooks(PaymentsRoom):
    """Cancels what nobody was heard to confirm without asking whether anybody has."""

    @override
    def after_commit(self, partition: int, effects: Sequence[Operation]) -> None:
        blind = [msgspec.structs.replace(operation, unconfirmed_id="") for operation in effects]
        super().after_commit(partition, blind)


class ConfirmedAtTheLastMoment(HttpProcessor):
    """The processor, whose customers confirm a payment just before the request to cancel it arrives."""

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.base_url = base_url

    @override
    async def perform(self, operation: Operation) -> ProcessorResult:
        if operation.kind is OperationKind.VOID:
            await confirm(self.base_url, operation.authorization_id)
        return await super().perform(operation)


async def confirm(base_url: str, authorization_id: str) -> None:
    """Be the customer."""
    url = f"{base_url}/v1/actions/{quote(authorization_id, safe='')}"
    async with aiohttp.ClientSession() as session, session.post(url, json={"confirm": True}) as answer:
        assert answer.status == 200


@asynccontextmanager
async def running_with(
    shop: Shop, kind: type[PaymentsRoom] = PaymentsRoom, processor: type[HttpProcessor] = HttpProcessor
) -> AsyncIterator[None]:
    """Run every room, this kind for payments."""
    await shop.supervisor.start(PROCESSOR)
    room = kind(processor(shop.supervisor.processor_url), shop.publisher, deadlines=DEADLINES)
    owner = PartitionOwner(room, shop.options(), shop.publisher)
    async with shop.running("inventory", "orders", "fulfilment"), shop.owning(owner):
        yield


async def unconfirmed(shop: Shop) -> OrderRequest:
    """Place an order whose payment is to be confirmed."""
    request = order(("MUG", 1), token="tok_3ds")
    await shop.receive(MUG=1)
    await shop.place(request)
    return request


async def awaits_confirmation(shop: Shop, request: OrderRequest) -> bool:
    return await shop.payment(request) == "requires_action"


async def test_a_confirmation_whose_webhook_was_lost_is_found_at_the_deadline_and_the_order_goes_on(shop: Shop) -> None:
    async with running_with(shop, NeverReminded):
        request = await unconfirmed(shop)
        await shop.until(lambda: awaits_confirmation(shop, request))
        authorization_id = await shop.value("SELECT authorization_id FROM payments")
        await confirm(shop.supervisor.processor_url, authorization_id)
        assert await awaits_confirmation(shop, request), "nobody has told us"
    async with running_with(shop):
        await shop.until_quiet(orders=1)
    assert await shop.state(request) == ("paid", "")
    assert [tuple(row) for row in await shop.database.fetch(ATTEMPTS)] == [
        ("authorize", "succeeded", ""),
        ("void", "superseded", "unconfirmed"),
        ("capture", "succeeded", ""),
    ]
    assert await shop.levels() == {"MUG": Level(1, 0, 1)}
    await shop.assert_sound(DECIDERS)


async def test_a_confirmation_that_crosses_our_void_is_on_both_books_as_held_and_given_back(shop: Shop) -> None:
    async with running_with(shop, processor=ConfirmedAtTheLastMoment):
        request = await unconfirmed(shop)
        await shop.until_quiet(orders=1)
    assert await shop.state(request) == ("rejected", "payment_timeout")
    assert [tuple(row) for row in await shop.database.fetch(FIGURES)] == [(500, 0, 500)]
    assert await shop.levels() == {"MUG": Level(1, 0, 0)}
    await shop.assert_sound(DECIDERS)


@pytest.mark.release
async def test_without_a_look_the_books_disagree_and_the_audit_reports_it(shop: Shop) -> None:
    async with running_with(shop, NeverLooks, ConfirmedAtTheLastMoment):
        request = await unconfirmed(shop)
        await shop.until_quiet(orders=1)
    assert await shop.state(request) == ("rejected", "payment_timeout")
    assert (await shop.audit(DECIDERS)).breaches == {"money_ledger_balances"}
