"""Both books side by side: what others moved at the processor, with every webhook lost, is found by its sums and booked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from consumers.payments.http_processor import HttpProcessor
from consumers.payments.ledger import Sums
from consumers.payments.processor import ProcessorPayment
from infra.base.connections import database
from infra.base.errors import InfraError
from infra.base.settings import Settings
from infra.local.sandbox_processor.judge import BY_HAND
from infra.ops.reconciliation.booking import booking
from infra.ops.reconciliation.plan import ONLY_OURS, OTHER_FIGURES, OTHER_ORDER, Books, Difference
from infra.ops.reconciliation.report import Report
from infra.ops.reconciliation.run import Options, reconcile
from producers.clients.orders import OrderRequest
from schemas import messages as m
from schemas.codec.wire import decode
from schemas.ids import new_order_id
from schemas.terms import CAPTURE_AT_SHIPPING
from tests.harness.cli import Answer, lastunit
from tests.harness.shop import Shop, in_miniature, open_shop, order
from tests.stack.processor_bench import Server
from topology.topics import ORDER_EVENTS

LEDGER = "money_ledger_balances"


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop that no webhook reaches."""
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


class Dashboard:
    """The processor as a person sees it."""

    def __init__(self, shop: Shop, session: aiohttp.ClientSession) -> None:
        self._url = shop.supervisor.processor_url
        self._session = session
        self._processor = HttpProcessor(self._url)

    async def payment(self, request: OrderRequest) -> ProcessorPayment:
        [listed] = [payment async for payment in self._processor.payments(0) if payment.order_id == request.order_id]
        return listed

    async def do(self, request: OrderRequest, what: str, amount_minor: int = 0) -> None:
        """Capture, refunds, disputes (of an amount) or void."""
        name = (await self.payment(request)).authorization_id
        body = {"amount_minor": amount_minor, "currency": request.currency} if amount_minor else {}
        url, headers = f"{self._url}/v1/authorizations/{name}/{what}", {"Idempotency-Key": f"{BY_HAND}{name}:{what}"}
        async with self._session.post(url, json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    async def close(self) -> None:
        await self._processor.close()


@pytest_asyncio.fixture
async def dashboard(shop: Shop) -> AsyncIterator[Dashboard]:
    async with aiohttp.ClientSession() as session, shop.running():
        opened = Dashboard(shop, session)
        yield opened
        await opened.close()


async def say(shop: Shop, *commands: m.Message) -> None:
    """Send these one after the other, each once all that follows from those before it is done."""
    for command in commands:
        await shop.say(command)
        await shop.until_quiet()


def sums(books: dict[str, Any]) -> tuple[int, ...]:
    return tuple(books[f"{name}_minor"] for name in ("captured", "voided", "refunded", "disputed"))


async def test_an_outside_refund_capture_void_and_dispute_are_found_by_their_sums_and_booked_and_verify_holds(
    shop: Shop, dashboard: Dashboard, environment: dict[str, str], tmp_path: Path
) -> None:
    refunded, disputed, untouched = (order(("MUG", 1)) for _ in range(3))
    captured, voided = (msgspec.structs.replace(order(("MUG", 1)), terms=CAPTURE_AT_SHIPPING) for _ in range(2))
    yen = msgspec.structs.replace(order(("MUG", 1)), currency="JPY")
    requests = (refunded, disputed, untouched, captured, voided, yen)
    variables = {**environment, **shop.supervisor.settings.environment()}

    async def run(*options: str) -> Answer:
        return await lastunit(variables, "payments", "reconcile", *options)

    await shop.receive(MUG=9)
    await shop.place(*requests)
    await shop.until_quiet()
    agreed = await compared(shop)
    assert (agreed.holds, agreed.compared, agreed.differences) == (True, 6, [])

    await dashboard.do(refunded, "refunds", 200)
    await dashboard.do(disputed, "disputes", 500)
    await dashboard.do(captured, "capture", 500)
    await dashboard.do(voided, "void")
    assert (await shop.audit()).breaches == {LEDGER}, "the negative control: nothing has told us of it"

    difference_report = await run("--json")
    assert (
        difference_report.status,
        difference_report.json["compared"],
        difference_report.json["more_differences"],
    ) == (1, 6, 0)
    named = {
        difference["order_id"]: (sums(difference["ours"]), sums(difference["processor"]), difference["result"])
        for difference in difference_report.json["differences"]
    }
    assert named == {
        refunded.order_id: ((500, 0, 0, 0), (500, 0, 200, 0), ""),
        disputed.order_id: ((500, 0, 0, 0), (500, 0, 0, 500), ""),
        captured.order_id: ((0, 0, 0, 0), (500, 0, 0, 0), ""),
        voided.order_id: ((0, 0, 0, 0), (0, 500, 0, 0), ""),
    }
    totals = {
        total["currency"]: (sums(total["ours"]), sums(total["processor"])) for total in difference_report.json["totals"]
    }
    assert totals == {
        "GBP": ((1500, 0, 0, 0), (2000, 500, 200, 500)),
        "JPY": ((500, 0, 0, 0), (500, 0, 0, 0)),
    }, "each currency by itself"
    shown = await run("--limit", "1")
    assert "4 differ: `lastunit payments reconcile --book` has them booked." in shown.output
    assert "3 more are not named (--limit)" in " ".join(shown.output.split())

    booked = await run("--book", "--json")
    assert (booked.status, {difference["result"] for difference in booked.json["differences"]}) == (0, {"booked"}), (
        booked
    )
    assert {total["currency"]: total["ours"] == total["processor"] for total in booked.json["totals"]} == {
        "GBP": True,
        "JPY": True,
    }
    assert [await shop.payment(request) for request in (refunded, disputed, captured, voided)] == [
        "partially_refunded",
        "disputed",
        "captured",
        "lapsed",
    ]
    await shop.until_quiet()
    await shop.assert_sound()

    order_id = refunded.order_id
    await say(shop, m.ShipOrder(order_id, "S", (), "post", "T"), m.ConfirmDelivery(order_id, "S"))
    await say(shop, m.RequestReturn(order_id, "R", (), "small"), m.ApproveReturn(order_id, "R"))
    await say(shop, m.ReceiveReturn(order_id, "R", ()))
    assert (await dashboard.payment(refunded)).refunded_minor == 500, "a return pays exactly the rest"
    await shop.assert_sound()
    paged = await compared(shop, chunk=2)
    assert (paged.holds, paged.compared) == (True, 6)
    await held_against_a_processor_that_knows_nothing(shop, tmp_path)
    await what_an_order_stands_for_is_not_given_back_under_another_name(shop)
    with pytest.raises(InfraError, match="Use the primary"):
        await compared(shop, read_only="on")
    nobody = await lastunit({**variables, "LASTUNIT_PROCESSOR_URL": "http://127.0.0.1:1"}, "payments", "reconcile")
    assert (nobody.status, "The payment processor does not answer as it should" in nobody.errors) == (1, True)


async def test_a_room_that_stands_still_is_waited_for_once_however_much_there_is_to_book(shop: Shop) -> None:
    nothing = Books("GBP", Sums(500))
    differences = [Difference(new_order_id(), "A", "authorized", OTHER_FIGURES, nothing, nothing) for _ in range(2)]
    async with database(shop.settings) as connection, booking(shop.settings, connection, 0.5) as books:
        assert not await books.book(differences[:1])
        books.timeout_seconds = 10_000
        async with asyncio.timeout(60):
            assert not await books.book(differences[1:])


async def compared(shop: Shop, url: str = "", chunk: int = 500, read_only: str = "off") -> Report:
    """Return what the command finds, without a process of its own."""
    processor = HttpProcessor(url or shop.supervisor.processor_url)
    try:
        async with database(shop.settings) as connection:
            await connection.execute(f"SET default_transaction_read_only = {read_only}")
            return await reconcile(connection, processor, Options(0, 0, chunk=chunk))
    finally:
        await processor.close()


class NamesOthers(HttpProcessor):
    """The processor, once somebody has written other orders' ids beside the payments."""

    async def payments(self, since_ms: int) -> AsyncIterator[ProcessorPayment]:
        async for payment in super().payments(since_ms):
            yield msgspec.structs.replace(payment, order_id=new_order_id())

    async def payment(self, authorization_id: str) -> ProcessorPayment | None:
        payment = await super().payment(authorization_id)
        return msgspec.structs.replace(payment, order_id=new_order_id(0)) if payment else None


async def what_an_order_stands_for_is_not_given_back_under_another_name(shop: Shop) -> None:
    processor = NamesOthers(shop.supervisor.processor_url)
    async with database(shop.settings) as connection:
        report = await reconcile(connection, processor, Options(0, 2**48, fix=True))
    await processor.close()
    assert (report.holds, report.orphans, [difference.why for difference in report.differences]) == (
        False,
        [],
        [OTHER_ORDER] * 6,
    )


async def held_against_a_processor_that_knows_nothing(shop: Shop, folder: Path) -> None:
    another = await Server(folder / "another").start()
    lost = await compared(shop, another.url, chunk=4)
    await another.stop()
    assert (lost.holds, lost.compared, len(lost.differences)) == (False, 6, 6)
    assert {(difference.why, difference.processor, difference.is_bookable) for difference in lost.differences} == {
        (ONLY_OURS, None, False)
    }


async def test_a_resolve_that_contradicts_the_processor_is_refused_and_what_was_paid_back_by_hand_balances(
    shop: Shop, dashboard: Dashboard
) -> None:
    stuck = msgspec.structs.replace(order(("MUG", 1), token="tok_void_fails"), terms=CAPTURE_AT_SHIPPING)
    owed = order(("MUG", 1), token="tok_refund_fails")
    await shop.receive(MUG=2)
    await shop.place(stuck, owed)
    await shop.until_quiet()
    await say(shop, m.CancelOrder(stuck.order_id, "merchant", "no"), m.RefundOrder(owed.order_id, "R", 300, "late"))
    assert [await shop.payment(request) for request in (stuck, owed)] == ["void_failed", "refund_failed"]

    await say(shop, m.ResolveOrder(stuck.order_id, "merchant", "freed by telephone"))
    assert await refusals(shop, stuck) == [("still_held", "GBP 5.00")]
    assert await shop.payment(stuck) == "void_failed"

    await dashboard.do(stuck, "void")
    await dashboard.do(owed, "refunds", 300)
    for request in (stuck, owed):
        await say(shop, m.ResolveOrder(request.order_id, "merchant", "done at the dashboard"))
        assert (await refusals(shop, request))[-1] == ("settled_at_processor", "")
    assert [await shop.payment(request) for request in (stuck, owed)] == ["voided", "partially_refunded"]
    assert await shop.value("SELECT refunded_minor FROM payments WHERE order_id = $1", owed.order_id) == 300
    await shop.assert_sound()


async def refusals(shop: Shop, request: OrderRequest) -> list[tuple[str, str]]:
    """Return reason and detail of each refusal of a ResolveOrder."""
    events = [
        decode(record.value) for record in await shop.records(ORDER_EVENTS) if record.key == request.order_id.encode()
    ]
    refused = [
        event for event in events if isinstance(event, m.OrderCommandRefused) and event.command == "ResolveOrder"
    ]
    return [(refusal.reason, refusal.detail) for refusal in refused]
