"""The API against its own document: whatever schemathesis sends, allowed or not, is answered as the document has it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as with_settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from infra.base.settings import Settings
from infra.edge import server
from tests.harness.api import Client, keyed_api, order_body, serving_api
from tests.harness.mutated_requests import mutated_request
from tests.harness.shop import in_miniature
from tests.harness.tables import give_tables
from tests.harness.waiting import until
from topology import admin

EXAMPLES = 4
MANY_EXAMPLES = 500
"""Of each of two dozen operations."""
MUTATED = 1_000
VERY_MANY_MUTATED = 80_000
SENDERS = 16
STREAMS = {"/v1/events", "/v1/orders/{order_id}/events"}
"""Answers without an end."""


def without_waiting(document: Any) -> Any:
    """Return the document without `Prefer: wait`, as nobody decides what is sent here."""
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["parameters"] = [
                parameter for parameter in operation.get("parameters", []) if parameter["name"] != "Prefer"
            ]
    return document


def fuzz(document: Any, client: Client, examples: int) -> int:
    """Send requests that fit the document and some that do not; return how many there were."""
    count = 0

    def send(case: Any) -> None:
        nonlocal count
        count += 1
        # What fits the document may still mean nothing: a text that cannot be printed, an order that wants too much of a SKU.
        case.call_and_validate(
            base_url=client.address, headers=client.shown, excluded_checks=[positive_data_acceptance]
        )

    once = with_settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]  # a document that cannot be read raises here
        if operation.path not in STREAMS:
            for mode in schemathesis.GenerationMode:
                once(given(case=operation.as_strategy(generation_mode=mode))(send))()
    return count


@asynccontextmanager
async def prepared(settings: Settings) -> AsyncIterator[Settings]:
    """Give the settings of a system of which only topics and tables are there."""
    small = in_miniature(settings)
    await admin.apply(
        small.kafka_bootstrap or "", namespace=small.namespace, partitions=1, expected_cluster_id=small.cluster_id
    )
    await give_tables(small.postgres_dsn or "")
    yield small


async def fuzzed(settings: Settings, examples: int) -> int:
    async with prepared(settings) as small, keyed_api(small) as (_, client):
        document = (await client.get("/openapi.json")).document
        count = await asyncio.to_thread(fuzz, without_waiting(document), client, examples)
        assert (await client.post("/v1/orders", order_body(("MUG", 1)))).status == 202
    return count


async def test_whatever_is_sent_is_answered_as_the_document_has_it(settings: Settings) -> None:
    assert await fuzzed(settings, EXAMPLES) > EXAMPLES * 20


@pytest.mark.slow
@pytest.mark.timeout(3_600)
async def test_much_more_of_it(settings: Settings, record_property: Callable[[str, object], None]) -> None:
    count = await fuzzed(settings, MANY_EXAMPLES)
    record_property("requests", count)
    assert count > MANY_EXAMPLES * 20


# --- requests whose bytes are not as HTTP or JSON has it ------------------------------------------------------------------


async def status_of(port: int, request: bytes) -> int:
    """Return the status of the first answer to these bytes; 0 where the connection ends without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        async with asyncio.timeout(30):
            line = await reader.readline()
        return int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else 0
    except ConnectionError:
        return 0
    finally:
        writer.transport.abort()


async def statuses_of_mutated_requests(settings: Settings, seed: int, cases: int) -> Counter[int]:
    statuses: Counter[int] = Counter()
    async with prepared(settings) as small, serving_api(small) as (_, client):
        port = int(client.address.rpartition(":")[2])
        dice = random.Random(seed)
        waiting = iter([mutated_request(dice) for _ in range(cases)])

        async def sender() -> None:
            for request in waiting:

                async def answered(request: bytes = request) -> int:
                    status = await status_of(port, request)
                    return status if status != 503 else 0  # as the machine is short of time: it asks to come again

                status = await until(answered)
                assert status < 500, request
                statuses[status] += 1

        await asyncio.gather(*(sender() for _ in range(SENDERS)))
        assert (await client.post("/v1/orders", order_body(("MUG", 1)))).status == 202
    return statuses


async def test_no_bytes_make_the_server_fail(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.2)
    statuses = await statuses_of_mutated_requests(settings, seed=1, cases=MUTATED)
    assert {202, 400, 408, 415, 422} <= statuses.keys(), statuses  # good ones, and each kind of fault


@pytest.mark.slow
@pytest.mark.timeout(3_600)
async def test_no_bytes_of_very_many_make_the_server_fail(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.2)
    statuses = await statuses_of_mutated_requests(settings, seed=2, cases=VERY_MANY_MUTATED)
    record_property("statuses", dict(sorted(statuses.items())))
    assert statuses.total() == VERY_MANY_MUTATED
