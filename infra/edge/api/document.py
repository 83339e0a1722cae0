"""The OpenAPI document and the page that shows it: Litestar's own, with the bodies, headers and examples of our routes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar.openapi.plugins import OpenAPIRenderPlugin
from markupsafe import Markup, escape

from infra.edge.access.scopes import SCOPES
from infra.edge.api.bodies import Body
from infra.edge.api.events import LAST_ID
from infra.edge.api.keys import KEY_PATTERN
from infra.edge.api.operations import REQUIRED
from infra.edge.api.permission import SCOPE
from infra.edge.api.problems import KINDS
from infra.edge.api.requests import KEY_HEADER, MAX_WAIT_SECONDS
from schemas.limits import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litestar import Litestar, Request

DESCRIPTION: Final = (
    "Commands about orders and stock, and where both stand. A command that is answered with 202 is on the log, acknowledged by "
    "all replicas of Kafka in sync; what comes of it are events. Sent again under its Idempotency-Key it is the same command. "
    "Where keys or tokens are in use, each request shows one: `Authorization: Bearer KEY`."
)
SECURITY: Final = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "lastunit_...",
        "description": "An API key, as `lastunit keys create` prints it.",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the issuer that the API is set up for, with scopes in its claim `scope`.",
    },
}
"""How a client may show who it is."""
_PREFER: Final = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": f"`wait=N`: answer when the outcome is known, after N seconds at the latest (RFC 7240); N is at most {MAX_WAIT_SECONDS}.",
    "schema": {"type": "string", "examples": ["wait=10"]},
}
_NAMES: Final = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_PATH: Final = {
    "order_id": {
        "type": "string",
        "format": "uuid",
        "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
    },
    "sku": _NAMES,
    "return_id": _NAMES,
}
"""What the parameters of paths may be."""
_REF: Final = "#/components/schemas/{name}"


def decorated(app: Litestar, document: dict[str, Any]) -> dict[str, Any]:
    """Return the document that Litestar makes of an application, with what our routes know beyond their signatures."""
    whole: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document))
    _, bodies = msgspec.json.schema_components(list(_all_bodies()), ref_template=_REF)
    whole["components"]["schemas"] = dict(sorted((whole["components"].get("schemas", {}) | bodies).items()))
    whole["components"]["securitySchemes"] = SECURITY
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in handler.http_methods:
                operation = whole["paths"].get(route.path_format, {}).get(method.lower())
                if operation is not None:
                    _complete(operation, handler.opt)
    return whole


def _all_bodies(kind: type[Body] = Body) -> Iterator[type[Body]]:
    for body in kind.__subclasses__():
        yield body
        yield from _all_bodies(body)


def _complete(operation: dict[str, Any], known: dict[str, Any]) -> None:
    operation["security"] = [{scheme: [known[SCOPE]]} for scheme in SECURITY]
    parameters = operation.setdefault("parameters", [])
    for parameter in parameters:
        if parameter["in"] == "path":
            parameter["schema"] = _PATH[parameter["name"]]
    parameters += known.get("parameters", ())
    if (body := known.get("body")) is not None:
        schema = {"$ref": _REF.format(name=body.__name__)}
        content = {"schema": schema, "example": known["example"]}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if key := known.get("key"):
        parameters.append(_key_parameter(is_required=key == REQUIRED))
    if known.get("waits"):
        parameters.append(_PREFER)
    if known.get("streams"):
        parameters.append({"name": LAST_ID, "in": "header", "required": False, "schema": {"type": "string"}})
        operation["responses"]["200"] = {
            "description": "Events as they happen.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    if not parameters:
        del operation["parameters"]
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _key_parameter(*, is_required: bool) -> dict[str, Any]:
    return {
        "name": KEY_HEADER,
        "in": "header",
        "required": is_required,
        "description": "A new random text for each new request, the same for a repeat of it.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": KEY_PATTERN},
    }


def json_document(app: Litestar) -> bytes:
    """Return the document of an application as JSON."""
    return msgspec.json.encode(decorated(app, app.openapi_schema.to_schema()))


class DocumentPage(OpenAPIRenderPlugin):
    """The document as a page for people: no script, nothing from elsewhere."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the page."""
        document = decorated(request.app, openapi_schema)
        page = _environment().get_template("docs.html")
        return page.render(
            document=document,
            tags=_by_tag(document),
            kinds=KINDS,
            scopes=SCOPES,
            schema_text=_schema_text,
            base_url=request.base_url,
        ).encode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("infra.edge.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["coded"] = _coded
    return environment


def _coded(text: str) -> Markup:
    """Return a text in which what stands between backticks is code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def _by_tag(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the operations as the page shows them, by their tags, in the order of the routes."""
    by_tag: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            entry = {"method": method.upper(), "path": path, **operation}
            by_tag.setdefault(operation.get("tags", ["Other"])[0], []).append(entry)
    return by_tag


def _schema_text(schema: dict[str, Any]) -> str:
    """Return what a field may be, for people."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if options := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(map(_schema_text, options))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_schema_text(schema.get('items', {}))}"
    names = {"minLength": "at least {} characters", "maxLength": "at most {} characters", "minimum": "from {}"}
    names |= {"maximum": "to {}", "pattern": "matches {}"}
    limits = [text.format(schema[name]) for name, text in names.items() if name in schema]
    return ", ".join([str(schema.get("type", "any")), *limits])
