"""Money at the processor without an order is found and given back, once; what belongs to orders is not touched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from consumers.payments.http_processor import HttpProcessor
from consumers.payments.processor import Operation, OperationKind, ProcessorPayment
from infra.base.settings import Settings
from schemas.ids import new_order_id
from tests.harness.cli import lastunit
from tests.harness.shop import Shop, in_miniature, open_shop, order


@pytest_asyncio.fixture
async def shop(settings: Settings, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(in_miniature(settings), tmp_path) as opened:
        yield opened


async def moved(processor: HttpProcessor, order_id: str, *, capture: bool) -> str:
    """Have the processor move money of which we know nothing."""
    asked = Operation(f"{order_id}:x", order_id, OperationKind.AUTHORIZE, 700, "GBP", "tok_ok", "c-1", "")
    name = (await processor.perform(asked)).authorization_id
    if capture:
        taken = Operation(f"{order_id}:y", order_id, OperationKind.CAPTURE, 700, "GBP", "", "", name)
        assert (await processor.perform(taken)).result == "succeeded"
    return name


async def test_orphans_are_found_and_given_back_once(shop: Shop, environment: dict[str, str]) -> None:
    await shop.receive(MUG=2)
    sold = order(("MUG", 1))
    async with shop.running():
        await shop.place(sold)
        await shop.until_quiet(orders=1)
        processor = HttpProcessor(shop.supervisor.processor_url)
        held = await moved(processor, new_order_id(), capture=False)
        taken = await moved(processor, new_order_id(), capture=True)
        variables = {**environment, **shop.supervisor.settings.environment()}

        listed = await lastunit(variables, "payments", "reconcile", "--older-than", "0", "--json")
        assert listed.status == 1
        assert {
            (orphan["authorization_id"], orphan["operation"], orphan["result"]) for orphan in listed.json["orphans"]
        } == {
            (held, "void", ""),
            (taken, "refund", ""),
        }
        young = (await lastunit(variables, "payments", "reconcile", "--json")).json
        assert (young["orphans"], young["under_way"], young["compared"]) == ([], 2, 1), "they are not an hour old"

        fixed = await lastunit(variables, "payments", "reconcile", "--older-than", "0", "--fix", "--json")
        assert (fixed.status, {orphan["result"] for orphan in fixed.json["orphans"]}) == (0, {"succeeded"}), (
            fixed.errors
        )
        again = await lastunit(variables, "payments", "reconcile", "--older-than", "0", "--fix")
        assert (again.status, again.output.splitlines()[-1]) == (0, "1 payment compared. Both books agree.")
        payments = {payment.authorization_id: payment async for payment in processor.payments(0)}
        await processor.close()
    assert (payments[held].held_minor, payments[taken].refunded_minor) == (0, 700)
    [own] = [payment for name, payment in payments.items() if name not in {held, taken}]
    assert isinstance(own, ProcessorPayment)
    assert (own.order_id, own.captured_minor, own.refunded_minor) == (sold.order_id, 500, 0)
    assert await shop.value("SELECT count(*) FROM payment_orphans WHERE result = 'succeeded'") == 2
