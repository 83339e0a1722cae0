"""Registers and compares against a server that does as Confluent's API says, in two manners of giving numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from infra.base.errors import RegistryError, SettingsError
from infra.base.schema_registry import compare, register, require_own_ids
from schemas.codec.lock import canonical, read_history, read_lock

LOCK = read_lock()
NOWHERE = "http://127.0.0.1:1"


class Registry:
    """Ids and the schemas under them; it takes ids in its import mode, or gives the next one whatever is asked."""

    def __init__(self, *, takes_ids: bool, schemas: dict[int, str] | None = None) -> None:
        self.takes_ids, self.schemas = takes_ids, schemas if schemas is not None else {}
        self.mode = "READWRITE"

    async def set_mode(self, request: web.Request) -> web.Response:
        if not self.takes_ids:
            return web.json_response({"error_code": 40499}, status=404)
        self.mode = (await request.json())["mode"]
        return web.json_response({"mode": self.mode})

    async def schema(self, request: web.Request) -> web.Response:
        schema = self.schemas.get(int(request.match_info["id"]))
        return web.json_response({"schema": schema} if schema else {}, status=200 if schema else 404)

    async def add(self, request: web.Request) -> web.Response:
        body = await request.json()
        id_ = body["id"] if self.mode == "IMPORT" else max(self.schemas, default=0) + 1
        self.schemas[id_] = body["schema"]
        return web.json_response({"id": id_})

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_put("/api/mode", self.set_mode)
        app.router.add_get("/api/schemas/ids/{id}", self.schema)
        app.router.add_post("/api/subjects/{subject}/versions", self.add)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/api"
        finally:
            await runner.cleanup()


def without_inherited_namespaces(text: str) -> str:
    """Write a schema as Apicurio does: a record within a record has no namespace where it is the outer one's."""
    head, separator, inner = text.partition('"fields"')
    return head + separator + inner.replace(', "namespace": "lastunit"', "")


@pytest.mark.parametrize("takes_ids", [True, False])
async def test_each_schema_gets_its_own_number_and_another_time_nothing_is_left(*, takes_ids: bool) -> None:
    registry = Registry(takes_ids=takes_ids)
    async with registry.listening() as url:
        assert await register(url) == list(LOCK)
        assert await register(url) == []
        assert await compare(url) == ([], [])
        await require_own_ids(url)
    assert sorted(registry.schemas) == [entry.id for entry in LOCK]
    assert registry.mode == "READWRITE"


async def test_names_that_a_registry_writes_shorter_mean_the_same() -> None:
    shortened = {entry.id: without_inherited_namespaces(canonical(read_history(entry))) for entry in LOCK}
    assert shortened != {entry.id: canonical(read_history(entry)) for entry in LOCK}
    async with Registry(takes_ids=False, schemas=shortened).listening() as url:
        assert await compare(url) == ([], [])


async def test_another_default_is_another_schema() -> None:
    latest = next(entry for entry in reversed(LOCK) if '"type": "int"' in canonical(read_history(entry)))
    changed = canonical(read_history(latest)).replace('"type": "int"', '"type": "int", "default": 3')
    async with Registry(takes_ids=False, schemas={latest.id: changed}).listening() as url:
        assert (await compare(url)).other == [latest]


async def test_what_was_added_since_is_added() -> None:
    registry = Registry(takes_ids=False, schemas={entry.id: canonical(read_history(entry)) for entry in LOCK[:-2]})
    async with registry.listening() as url:
        assert await register(url) == list(LOCK[-2:])


async def test_an_id_that_means_another_schema_refuses_the_start_and_is_not_registered_over() -> None:
    registry = Registry(takes_ids=True, schemas={LOCK[0].id: '{"type": "string"}'})
    async with registry.listening() as url:
        with pytest.raises(SettingsError, match=rf"{LOCK[0].id} \({LOCK[0].name} version 1\)"):
            await require_own_ids(url)
        with pytest.raises(RegistryError, match="other schemas"):
            await register(url)
    assert len(registry.schemas) == 1


async def test_numbers_that_others_took_stop_a_registration() -> None:
    registry = Registry(takes_ids=False, schemas={1_000: '{"type": "string"}'})
    async with registry.listening() as url:
        with pytest.raises(RegistryError, match="not registered under its number, 1:"):
            await register(url)


async def test_a_registry_that_is_away_or_lacks_schemas_stops_no_start() -> None:
    await require_own_ids(NOWHERE)
    async with Registry(takes_ids=False).listening() as url:
        await require_own_ids(url)
    with pytest.raises(RegistryError, match="does not answer"):
        await register(NOWHERE)
