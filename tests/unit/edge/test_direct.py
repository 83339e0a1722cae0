"""Commands that are called without Litestar are the ones that its routes declare, for whoever may send them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from litestar import Litestar

from infra.edge.access.principal import Principal
from infra.edge.access.scopes import ORDERS_READ, SCOPES
from infra.edge.api.application import routed
from infra.edge.api.direct import Direct
from infra.edge.api.guard import BODY, HEADERS
from infra.edge.api.listing import OrderFinder
from infra.edge.api.permission import PRINCIPAL
from infra.edge.api.problems import ProblemError
from infra.edge.api.service import Service


class Recorder:
    """Stands where Litestar's application does: notes what comes to it."""

    def __init__(self, app: Litestar) -> None:
        self.routes = app.routes
        self.paths: list[str] = []

    async def __call__(self, scope: Any, _receive: Any, _send: Any) -> None:
        self.paths.append(scope["path"])


@pytest.fixture
def app() -> Recorder:
    return Recorder(routed(cast("Service", None), cast("OrderFinder", None), bootstrap="", namespace=""))


async def called(app: Recorder, method: str, path: str, *scopes: str) -> None:
    asker = Principal("key-1", frozenset(scopes))
    scope = {"method": method, "path": path, "headers": [], HEADERS: {}, BODY: b"{", PRINCIPAL: asker}
    await Direct(cast("Any", app))(scope, cast("Any", None), cast("Any", None))


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders:batch"])
async def test_placing_orders_is_called_directly(app: Recorder, path: str) -> None:
    with pytest.raises(ProblemError) as raised:
        await called(app, "POST", path, *SCOPES)
    assert (raised.value.kind.name, app.paths) == ("unreadable-body", [])


@pytest.mark.parametrize("path", ["/v1/orders", "/v1/orders:batch"])
async def test_whoever_may_not_place_orders_may_not_do_so_directly(app: Recorder, path: str) -> None:
    with pytest.raises(ProblemError) as raised:
        await called(app, "POST", path, ORDERS_READ)
    assert raised.value.kind.name == "forbidden"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/orders"), ("POST", "/v1/orders/"), ("POST", "/v1/orders/1/cancel"), ("POST", "/docs"), ("PUT", "/")],
)
async def test_everything_else_is_litestars(app: Recorder, method: str, path: str) -> None:
    await called(app, method, path, *SCOPES)
    assert app.paths == [path]
