"""The events that the simulated processor sends: signed, until they are taken, twice and out of order when asked to."""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from tests.harness.waiting import until
from tests.stack.processor_bench import PRICE_MINOR, Bench, Server, authorize, capture, refund, void

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests alone").decode()


class Receiver:
    """Takes events whose signature is right; refuses the first few of each where told to, and all while `away`."""

    def __init__(self) -> None:
        self.url = ""
        self.away = False
        self.refusals = 0
        self.taken: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.seen: Counter[str] = Counter()
        self.unsigned = 0

    async def handle(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        try:
            event = Webhook(SECRET).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.unsigned += 1
            return web.Response(status=401)
        event_id = request.headers["webhook-id"]
        self.seen[event_id] += 1
        if self.away or self.seen[event_id] <= self.refusals:
            return web.Response(status=500)
        self.ids.append(event_id)
        self.taken.append(event)
        return web.Response(status=204)

    def types(self) -> list[str]:
        return [event["type"] for event in self.taken]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.end()


async def processor_with_webhooks(bench: Bench, receiver: Receiver, *flags: str, secret: str = SECRET) -> Server:
    return await bench.server("--webhook-url", receiver.url, "--webhook-secret", secret, *flags)


async def say(action_url: str, *, confirm: bool) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.post(action_url, json={"confirm": confirm}) as answer:
        document: dict[str, Any] = await answer.json()
        return document


async def test_every_executed_operation_is_sent_with_all_its_facts(bench: Bench, receiver: Receiver) -> None:
    processor = bench.adapter(await processor_with_webhooks(bench, receiver))
    granted = await processor.perform(authorize("a"))
    await processor.perform(authorize("b", "tok_declined"))
    await processor.perform(capture("a", granted.authorization_id, 1500))
    await processor.perform(refund("a", granted.authorization_id, 700))
    await processor.perform(void("a", granted.authorization_id))
    await until(lambda: len(receiver.taken) == 5)
    events = {event["operation_id"]: event for event in receiver.taken}
    assert events["a-authorize"] == {
        "type": "authorize.succeeded",
        "operation_id": "a-authorize",
        "order_id": "order-a",
        "kind": "authorize",
        "status": "succeeded",
        "code": "",
        "authorization_id": granted.authorization_id,
        "amount_minor": PRICE_MINOR,
        "currency": "EUR",
        "action_url": "",
        "expires_at_ms": granted.expires_at_ms,
    }
    assert (events["b-authorize"]["type"], events["b-authorize"]["code"]) == ("authorize.refused", "card_declined")
    assert (events["a-capture"]["type"], events["a-capture"]["amount_minor"]) == ("capture.succeeded", 1500)
    assert (events["a-refund"]["type"], events["a-refund"]["amount_minor"]) == ("refund.succeeded", 700)
    assert (events["a-void"]["type"], events["a-void"]["code"]) == ("void.refused", "already_captured")
    assert len(set(receiver.ids)) == 5


async def test_a_receiver_with_another_secret_takes_nothing(bench: Bench, receiver: Receiver) -> None:
    """The negative control of the signature."""
    other = "whsec_" + base64.b64encode(b"another secret").decode()
    processor = bench.adapter(await processor_with_webhooks(bench, receiver, secret=other))
    await processor.perform(authorize("a"))
    await until(lambda: receiver.unsigned > 2)
    assert receiver.taken == []


async def test_an_event_that_is_not_taken_comes_again_under_the_same_id(bench: Bench, receiver: Receiver) -> None:
    receiver.refusals = 3
    processor = bench.adapter(await processor_with_webhooks(bench, receiver))
    for n in range(20):
        await processor.perform(authorize(str(n)))
    await until(lambda: len(receiver.taken) == 20)
    assert set(receiver.seen.values()) == {4}


async def test_what_was_not_taken_before_a_kill_comes_after_it_and_what_was_does_not(
    bench: Bench, receiver: Receiver
) -> None:
    server = await processor_with_webhooks(bench, receiver)
    processor = bench.adapter(server)
    await processor.perform(authorize("taken"))
    taken_file = server.data_dir / "webhooks-taken"
    await until(lambda: taken_file.read_bytes() == b"1\n")
    receiver.away = True
    await processor.perform(authorize("lost"))
    await until(lambda: len(receiver.seen) == 2)
    await server.kill()
    taken_file.write_bytes(taken_file.read_bytes() + b"2")  # cut short: the second was not noted yet
    receiver.away = False
    await server.start()
    await until(lambda: len(receiver.taken) == 2)
    await processor.perform(authorize("new"))
    await until(lambda: len(receiver.taken) == 3)
    assert [event["order_id"] for event in receiver.taken] == ["order-taken", "order-lost", "order-new"]


async def test_events_come_twice_and_out_of_order_at_their_rates(bench: Bench, receiver: Receiver) -> None:
    flags = ("--duplicate-webhook-rate", "0.3", "--reordered-webhook-rate", "0.3", "--seed", "7")
    processor = bench.adapter(await processor_with_webhooks(bench, receiver, *flags))
    for n in range(60):
        await processor.perform(authorize(str(n)))
    await until(lambda: len(set(receiver.ids)) == 60 and len(receiver.ids) > 65)
    orders = list(dict.fromkeys(event["order_id"] for event in receiver.taken))
    assert orders != [f"order-{n}" for n in range(60)]


async def test_a_customer_confirms_and_the_same_operation_has_succeeded(bench: Bench, receiver: Receiver) -> None:
    server = await processor_with_webhooks(bench, receiver)
    processor = bench.adapter(server)
    asked = await processor.perform(authorize("a", "tok_3ds"))
    assert asked.result == "requires_action"
    assert asked.action_url.startswith(server.url)
    assert await processor.look_up(authorize("a")) == asked
    assert (await server.books()).totals["EUR"]["held_minor"] == 0
    assert (await processor.perform(capture("early", asked.authorization_id))).reason == "action_required"
    await until(lambda: len(receiver.taken) == 2)

    assert (await say(asked.action_url, confirm=True))["status"] == "succeeded"
    assert (await say(asked.action_url, confirm=False))["status"] == "succeeded", "it is decided"
    known = await processor.look_up(authorize("a"))
    assert known is not None
    assert (known.result, known.authorization_id) == ("succeeded", asked.authorization_id)
    assert await processor.perform(authorize("a", "tok_3ds")) == known
    await until(lambda: len(receiver.taken) == 3)
    assert receiver.types() == ["authorize.requires_action", "capture.refused", "authorize.succeeded"]
    assert receiver.taken[0]["action_url"] == asked.action_url
    assert len(set(receiver.ids)) == 3


async def test_a_customer_declines_and_a_voided_one_is_asked_in_vain(bench: Bench, receiver: Receiver) -> None:
    server = await processor_with_webhooks(bench, receiver)
    processor = bench.adapter(server)
    declined = await processor.perform(authorize("a", "tok_3ds"))
    voided = await processor.perform(authorize("b", "tok_3ds"))
    assert (await say(declined.action_url, confirm=False))["code"] == "action_declined"
    assert (await processor.perform(void("b", voided.authorization_id))).result == "succeeded"
    assert (await say(voided.action_url, confirm=True))["status"] == "refused"
    for key, reason in (("a", "action_declined"), ("b", "already_voided")):
        known = await processor.look_up(authorize(key))
        assert known is not None
        assert (known.result, known.reason) == ("declined", reason)
    before = await server.books()
    await server.kill()
    await server.start()
    assert await server.books() == before
    assert before.totals["EUR"]["authorized_minor"] == 0


@pytest.mark.parametrize(("decline_rate", "result"), [("0", "succeeded"), ("1", "declined")])
async def test_customers_decide_by_themselves_after_a_while(
    bench: Bench, receiver: Receiver, decline_rate: str, result: str
) -> None:
    flags = ("--requires-action-rate", "1", "--action-seconds", "0.2", "--action-decline-rate", decline_rate)
    processor = bench.adapter(await processor_with_webhooks(bench, receiver, *flags))
    assert (await processor.perform(authorize("a"))).result == "requires_action"
    await until(lambda: len(receiver.taken) == 2)
    known = await processor.look_up(authorize("a"))
    assert known is not None
    assert known.result == result


async def test_an_authorisation_lapses_also_while_nobody_is_there(bench: Bench, receiver: Receiver) -> None:
    server = await processor_with_webhooks(bench, receiver, "--authorization-seconds", "1.5")
    processor = bench.adapter(server)
    granted = await processor.perform(authorize("a"))
    shipped = await processor.perform(capture("a", granted.authorization_id, 500, is_last=False))
    assert shipped.result == "succeeded"
    await server.kill()
    await until(lambda: time.time() * 1000 > granted.expires_at_ms)
    await server.start()
    await until(lambda: "authorization.lapsed" in receiver.types())
    lapsed = next(event for event in receiver.taken if event["type"] == "authorization.lapsed")
    assert (lapsed["operation_id"], lapsed["status"]) == ("a-authorize", "lapsed")
    assert lapsed["amount_minor"] == PRICE_MINOR - 500
    late = await processor.perform(capture("a", granted.authorization_id, 1, name="late"))
    assert (late.result, late.reason) == ("failed", "authorization_expired")
    assert (await processor.perform(void("a", granted.authorization_id))).result == "succeeded"
    [line] = (await server.books()).lines
    assert (line.captured_minor, line.voided_minor) == (500, PRICE_MINOR - 500)
