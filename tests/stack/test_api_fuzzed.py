"""The API against its own document: whatever schemathesis sends, allowed or not, is answered as the document has it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as with_settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from infra.base.settings import Settings
from tests.harness.api import Client, keyed_api, order_body
from tests.harness.shop import in_miniature
from tests.harness.tables import give_tables
from topology import admin

EXAMPLES = 4
MANY_EXAMPLES = 400
"""Of each of two dozen operations."""
STREAMS = {"/v1/events", "/v1/orders/{order_id}/events"}
"""Answers without an end."""


def without_waiting(document: Any) -> Any:
    """Return the document without `Prefer: wait`, as nobody decides what is sent here."""
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["parameters"] = [it for it in operation.get("parameters", []) if it["name"] != "Prefer"]
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


async def fuzzed(settings: Settings, examples: int) -> int:
    small = in_miniature(settings)
    await admin.apply(
        small.kafka_bootstrap or "", namespace=small.namespace, partitions=1, expected_cluster_id=small.cluster_id
    )
    await give_tables(small.postgres_dsn or "")
    async with keyed_api(small) as (_, client):
        document = (await client.get("/openapi.json")).document
        count = await asyncio.to_thread(fuzz, without_waiting(document), client, examples)
        assert (await client.post("/v1/orders", order_body(("MUG", 1)))).status == 202
    return count


async def test_whatever_is_sent_is_answered_as_the_document_has_it(settings: Settings) -> None:
    assert await fuzzed(settings, EXAMPLES) > EXAMPLES * 20


@pytest.mark.slow
async def test_much_more_of_it(settings: Settings) -> None:
    assert await fuzzed(settings, MANY_EXAMPLES) > MANY_EXAMPLES * 20
