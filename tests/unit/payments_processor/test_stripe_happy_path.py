"""The Stripe adapter against localstripe, a server that behaves as Stripe does as long as all goes well.

It ignores idempotency keys, takes no metadata with a capture, declines no card whose money is to be captured later, allows a
capture after a cancellation and refunds above what was captured, knows neither search nor several captures, and does not
say how much was captured and until when money is held. All that is in test_stripe_shapes.py, against the shapes that
Stripe documents.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web

with warnings.catch_warnings():  # it adds a plain function to aiohttp's router
    warnings.simplefilter("ignore", DeprecationWarning)
    from localstripe import resources, server

from consumers.payments.processor import OperationKind, ProcessorResult
from consumers.payments.stripe_processor import StripeProcessor
from tests.unit.payments_processor.asked import asked

KEY: Final = "sk_test_12345"
PAYS: Final = "4242424242424242"
ASKS_FIRST: Final = "4000002500003155"


class Stripe:
    """The server's address, and the adapter that speaks to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.processor = StripeProcessor(KEY, address=url)

    async def post(self, path: str, **data: str) -> Any:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(self.url + path, data=data) as answer,
        ):
            return await answer.json()

    async def card(self, number: str) -> str:
        """Return a token for a card, as a shop's page gets it from Stripe."""
        card = {"number": number, "exp_month": "12", "exp_year": "2040", "cvc": "123"}
        made = await self.post(
            "/v1/payment_methods", type="card", **{f"card[{name}]": value for name, value in card.items()}
        )
        return str(made["id"])

    async def intent(self, name: str) -> Any:
        headers = {"Authorization": f"Bearer {KEY}"}
        path = f"{self.url}/v1/payment_intents/{name}"
        async with aiohttp.ClientSession(headers=headers) as session, session.get(path) as answer:
            return await answer.json()


read_body: Final = server.get_post_data


async def without_names_of_captures(request: web.Request, **options: Any) -> Any:
    """Read a request without the metadata that localstripe takes with no capture; Stripe does."""
    data = await read_body(request, **options)
    if request.path.endswith("/capture"):
        data.pop("metadata", None)
    return data


@pytest.fixture
async def stripe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Stripe]:
    """Serve on the loopback interface only: its own command listens everywhere, and keeps its books in /tmp."""
    monkeypatch.setattr(resources.store, "dump_to_disk", lambda: None)
    monkeypatch.setattr(server, "get_post_data", without_names_of_captures)
    runner = web.AppRunner(server.app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served = Stripe(f"http://127.0.0.1:{runner.addresses[0][1]}")
    yield served
    await served.processor.close()
    await runner.cleanup()
    resources.store.clear()


async def authorized(stripe: Stripe, number: str = PAYS) -> ProcessorResult:
    wanted = asked(OperationKind.AUTHORIZE, payment_token=await stripe.card(number), currency="GBP")
    return await stripe.processor.perform(wanted)


async def test_money_is_held_taken_and_given_back(stripe: Stripe) -> None:
    held = await authorized(stripe)
    assert (held.result, held.reason) == ("succeeded", "")
    assert held.authorization_id.startswith("pi_")
    intent = await stripe.intent(held.authorization_id)
    assert (intent["status"], intent["currency"]) == ("requires_capture", "gbp")
    assert intent["metadata"]["order_id"] == asked(OperationKind.AUTHORIZE).order_id

    taken = asked(OperationKind.CAPTURE, authorization_id=held.authorization_id)
    assert (await stripe.processor.perform(taken)).result == "succeeded"
    assert (await stripe.intent(held.authorization_id))["status"] == "succeeded"

    back = asked(OperationKind.REFUND, authorization_id=held.authorization_id, amount_minor=1)
    assert (await stripe.processor.perform(back)).result == "succeeded"


async def test_money_that_is_held_is_given_back_untaken(stripe: Stripe) -> None:
    held = await authorized(stripe)
    back = asked(OperationKind.VOID, authorization_id=held.authorization_id)
    assert (await stripe.processor.perform(back)).result == "succeeded"
    assert (await stripe.intent(held.authorization_id))["status"] == "canceled"
    assert (await stripe.processor.look_up(back)) == ProcessorResult("succeeded", held.authorization_id, "")


async def test_a_card_that_is_not_known_is_a_definite_no(stripe: Stripe) -> None:
    refused = await stripe.processor.perform(asked(OperationKind.AUTHORIZE, payment_token="pm_nobody"))
    assert refused.result == "declined"


async def test_a_card_that_asks_its_customer_first_waits(stripe: Stripe) -> None:
    waits = await authorized(stripe, ASKS_FIRST)
    assert waits.result == "requires_action"
    assert waits.authorization_id.startswith("pi_")
