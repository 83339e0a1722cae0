"""Keys of the API over real servers: what they allow, their rotation and revocation, and where they may travel."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from infra.base.errors import SettingsError
from infra.base.exits import NEEDS_A_PERSON
from infra.base.settings import Settings
from infra.edge.access import known_keys
from infra.edge.access.key_text import new_key
from infra.edge.api.process import ApiProcess
from tests.harness.api import Client, api_options, keyed_api, order_body, serving_api
from tests.harness.certificates import self_signed
from tests.harness.issuer import AUDIENCE, ISSUER, SigningKey, forged, key_set
from tests.harness.odd_arguments import run_here
from tests.harness.shop import in_miniature
from tests.harness.tables import give_tables
from tests.harness.waiting import until
from topology import admin

ORDER = order_body(("MUG", 1))


@pytest_asyncio.fixture
async def small(settings: Settings) -> AsyncIterator[Settings]:
    """Topics and tables, and nobody who decides."""
    small = in_miniature(settings)
    await admin.apply(
        small.kafka_bootstrap or "", namespace=small.namespace, partitions=1, expected_cluster_id=small.cluster_id
    )
    await give_tables(small.postgres_dsn or "")
    yield small


async def soon(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds, for as long as a key may be taken for what it was."""
    async with asyncio.timeout(known_keys.VALID_SECONDS):
        await until(condition)


async def keys(settings: Settings, *arguments: str) -> Any:
    """Run a command about keys, and return the document that it prints."""
    ended = await asyncio.to_thread(run_here, ["keys", *arguments, "--json"], settings.environment())
    assert not ended.status, ended.errors
    return json.loads(ended.output)


async def test_the_life_of_a_key(small: Settings) -> None:
    async with serving_api(small) as (_, nobody):
        assert (await nobody.post("/v1/orders", ORDER)).status == 202  # open: nobody has a key yet
        made = await keys(small, "create", "warehouse", "--scope", "orders:write", "--scope", "stock:read")
        client = nobody.with_key(made["key"])
        first = await client.post("/v1/orders", ORDER, key="k1")
        assert first.status == 202  # at once, and from here on nobody else gets in

        refused = await nobody.post("/v1/orders", ORDER)
        assert (refused.status, refused.headers["www-authenticate"]) == (401, 'Bearer realm="lastunit"')
        assert refused.document["type"] == "/docs#unauthenticated"
        for wrong in (new_key(), made["key"][:-1] + "_", made["key"].swapcase(), "x", ""):
            refused = await nobody.get("/v1/stock/MUG", Authorization=f"Bearer {wrong}")
            assert refused.status == 401, wrong
            assert "error=" in refused.headers["www-authenticate"]
        for path in ("/healthz", "/readyz", "/openapi.json", "/docs", "/docs.css"):
            assert (await nobody.get(path)).status == 200, path
        assert {(await nobody.get(path)).status for path in ("/v1/nothing", "/v1/events", "/docs/openapi.json")} == {
            401
        }

        forbidden = await client.post("/v1/stock/MUG/receipts", {"quantity": 1})
        assert forbidden.status == 403
        assert forbidden.headers["www-authenticate"].endswith('error="insufficient_scope", scope="stock:write"')
        assert (await client.get("/v1/stock/MUG")).status in (404, 503)

        rotated = await keys(small, "rotate", made["key_id"])
        successor = nobody.with_key(rotated["key"])
        assert rotated["client"] == made["client"]
        repeated = await successor.post("/v1/orders", ORDER, key="k1")
        assert repeated.document["order_id"] == first.document["order_id"]  # one client, whichever key it shows
        other = nobody.with_key((await keys(small, "create", "other", "--scope", "orders:write"))["key"])
        assert (await other.post("/v1/orders", ORDER, key="k1")).document["order_id"] != first.document["order_id"]
        assert (await client.post("/v1/orders", ORDER)).status == 202  # both are good during the overlap

        await keys(small, "revoke", made["key_id"])
        await soon(lambda: refuses(client))
        assert (await successor.post("/v1/orders", ORDER)).status == 202
        assert "revoked" in (await client.get("/v1/stock/MUG")).document["detail"]

        listed = {row["key_id"]: row for row in await keys(small, "list", "--all")}
        assert listed[made["key_id"]]["revoked_at"]
        assert made["key"] not in str(listed)
        assert made["key"].startswith(listed[made["key_id"]]["hint"])
        ended = await asyncio.to_thread(run_here, ["keys", "rotate", made["key_id"]], small.environment())
        assert (ended.status, ended.output) == (1, "")
        await soon(lambda: used(small, rotated["key_id"]))


async def refuses(client: Client) -> bool:
    return (await client.get("/v1/stock/MUG")).status == 401


async def used(settings: Settings, key_id: str) -> bool:
    return any(row["key_id"] == key_id and row["last_used_at"] for row in await keys(settings, "list"))


async def test_a_stream_ends_with_its_key_and_requests_cost_no_query(
    small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.edge.api.events.HEARTBEAT_SECONDS", 0.1)
    async with keyed_api(small) as (process, client):
        loads = 0
        load = process.known_keys._read

        async def counted(connection: object) -> object:
            nonlocal loads
            loads += 1
            return await load(connection)  # type: ignore[arg-type]

        monkeypatch.setattr(process.known_keys, "_read", counted)
        for _ in range(50):
            await client.get("/v1/stock/MUG")
        assert loads <= 2  # the one of every few seconds
        unknown = [client.with_key(new_key()).get("/v1/stock/MUG") for _ in range(50)]
        assert {answer.status for answer in await asyncio.gather(*unknown)} == {401}
        assert 0 < loads < 10  # negative control: unknown keys are looked for, and no more often than so

        async with client.events("/v1/events") as events:
            await keys(small, "revoke", (await keys(small, "list"))[0]["key_id"])
            async with asyncio.timeout(known_keys.VALID_SECONDS):
                assert [event async for event in events] == []


async def test_a_key_does_not_travel_in_the_clear(small: Settings) -> None:
    """What a proxy names as the client's side of the connection counts, where the proxy is named in the settings."""
    far = {"X_Forwarded_For": "192.0.2.7"}
    async with keyed_api(small, proxies=("127.0.0.1",)) as (_, client):
        refused = await client.get("/v1/stock/MUG", X_Forwarded_Proto="http", **far)
        assert (refused.status, refused.document["type"]) == (403, "/docs#insecure-transport")
        assert (await client.get("/v1/stock/MUG", **far)).status == 403
        assert (await client.get("/v1/stock/MUG", X_Forwarded_Proto="https", **far)).status in (404, 503)
        assert (await client.get("/v1/stock/MUG")).status in (404, 503)  # from this machine
        assert (await client.with_key("").get("/v1/stock/MUG", **far)).status == 401
    async with keyed_api(small) as (_, client):  # negative control: nobody's word counts
        assert (await client.get("/v1/stock/MUG", **far)).status in (404, 503)


async def test_tokens_of_another_issuer_are_taken_beside_keys(small: Settings, tmp_path: Path) -> None:
    signer = SigningKey("k1", "ES256")
    (tmp_path / "keys.json").write_bytes(key_set(signer.jwk()))
    keys_file = str(tmp_path / "keys.json")
    async with serving_api(small, jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwt_keys=keys_file) as (_, nobody):
        assert (await nobody.get("/v1/stock/MUG")).status == 401  # without any key: there is an issuer
        client = nobody.with_key(signer.token(scope="orders:write orders:read"))
        placed = await client.post("/v1/orders", ORDER, key="k1")
        assert placed.status == 202
        again = await nobody.with_key(signer.token(scope="orders:write")).post("/v1/orders", ORDER, key="k1")
        assert again.document["order_id"] == placed.document["order_id"]  # the same sub is the same client
        assert (await client.get("/v1/stock/MUG")).status == 403
        refused = await nobody.with_key(forged({"alg": "none"})).get("/v1/orders")
        assert (refused.status, refused.headers["www-authenticate"]) == (
            401,
            'Bearer realm="lastunit", error="invalid_token"',
        )
        made = await keys(small, "create", "erp", "--scope", "stock:read")
        assert (await nobody.with_key(made["key"]).get("/v1/stock/MUG")).status in (404, 503)


async def test_it_speaks_tls_by_files(small: Settings, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with keyed_api(small, tls_cert=certificate, tls_key=key) as (process, client):
        assert process.address.startswith("https://127.0.0.1:")
        headers = client.shown
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.get(f"{process.address}/v1/stock/MUG", ssl=trusting) as answer:
                assert answer.status in (404, 503)
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(f"{process.address}/healthz")
            with pytest.raises(aiohttp.ClientError):
                await session.get(process.address.replace("https", "http") + "/healthz")
    with pytest.raises(SettingsError, match="cannot be used"):
        await ApiProcess(api_options(small, tls_cert=key, tls_key=key)).run()


async def test_beyond_loopback_it_wants_keys_and_tls(small: Settings) -> None:
    everywhere = "0.0.0.0"  # noqa: S104  it refuses to listen there
    environment = {**os.environ, **small.environment(), "LASTUNIT_API_HOST": everywhere}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.local.room_process", "api"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == NEEDS_A_PERSON, output
    assert b"lastunit keys create NAME" in output
    async with keyed_api(small):
        pass
    with pytest.raises(SettingsError, match="travel in the clear"):
        await ApiProcess(api_options(small, host=everywhere)).run()
