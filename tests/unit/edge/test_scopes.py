"""No route is forgotten: each demands a scope, or is on the list of what anybody may see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from litestar import Litestar, get

from infra.edge.access.principal import Principal
from infra.edge.access.scopes import SCOPES
from infra.edge.api.application import routed
from infra.edge.api.document import json_document
from infra.edge.api.listing import OrderFinder
from infra.edge.api.permission import PRINCIPAL, PUBLIC, SCOPE, require_scope
from infra.edge.api.problems import ProblemError
from infra.edge.api.service import Service

NOBODYS = {"/docs/{path:str}", "/docs/openapi.json"}
"""Litestar adds these beside a page of its document; without a scope they are served to nobody."""
AUTOMATIC = {"OPTIONS"}
"""Litestar answers these by itself, with the methods of the path and nothing else."""


@pytest.fixture(scope="module")
def app() -> Litestar:
    return routed(cast("Service", None), cast("OrderFinder", None), bootstrap="", namespace="")


def handlers(app: Litestar) -> Iterator[tuple[str, Any]]:
    for route in app.routes:
        for handler in cast("Any", route).route_handlers:
            if handler.http_methods != AUTOMATIC and route.path not in NOBODYS:
                yield route.path, handler


def forgotten(app: Litestar) -> list[str]:
    return [path for path, handler in handlers(app) if path not in PUBLIC and handler.opt.get(SCOPE) not in SCOPES]


def test_every_route_demands_a_scope_or_is_public(app: Litestar) -> None:
    assert forgotten(app) == []
    assert len([path for path, _ in handlers(app)]) > 25
    assert {path for path, _ in handlers(app)} >= PUBLIC


def test_a_route_without_a_scope_would_be_found_and_serves_nobody() -> None:
    @get("/v1/forgotten", sync_to_thread=False)
    def handler() -> None: ...

    app = Litestar([handler], openapi_config=None)
    assert forgotten(app) == ["/v1/forgotten"]


def test_what_changes_something_demands_no_scope_of_reading(app: Litestar) -> None:
    for path, handler in handlers(app):
        if path not in PUBLIC:
            assert handler.opt[SCOPE].endswith(":read") is (handler.http_methods == {"GET"}), path


def test_every_scope_is_demanded_somewhere(app: Litestar) -> None:
    assert {handler.opt[SCOPE] for path, handler in handlers(app) if path not in PUBLIC} == set(SCOPES)


def test_the_scope_is_asked_for_on_every_route(app: Litestar) -> None:
    for path, handler in handlers(app):
        hook = handler.resolve_before_request()
        assert require_scope in (hook, getattr(hook, "func", None)), path


def test_the_document_declares_what_each_operation_demands(app: Litestar) -> None:
    document = json.loads(json_document(app))
    assert set(document["components"]["securitySchemes"]) == {"apiKey", "token"}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for requirement in operation["security"]:
                ((scheme, scopes),) = requirement.items()
                assert scheme in document["components"]["securitySchemes"]
                assert len(scopes) == 1, path
                assert set(scopes) <= set(SCOPES)
            assert {"401", "403"} <= set(operation["responses"])


async def test_nobody_passes_without_a_principal_and_nobody_a_route_without_a_scope() -> None:
    everything = Principal("key-1", frozenset(SCOPES))
    for scope, options in (({}, {SCOPE: "orders:read"}), ({PRINCIPAL: everything}, {})):
        request: Any = SimpleNamespace(scope={"path": "/v1/x", **scope}, route_handler=SimpleNamespace(opt=options))
        with pytest.raises(ProblemError):
            await require_scope(request)
