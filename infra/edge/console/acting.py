"""Signing in and out, and the forms by which an operator acts: confirmed with a reason, then carried out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog
from litestar import Request, Response, get, post
from litestar.params import FromPath

from infra.base.errors import InfraError
from infra.edge.access.principal import AccessError, CannotTellError
from infra.edge.console.actions import ACTIONS, Action, UnusableActionError, carry_out, subject_name
from infra.edge.console.answers import Console, page, see, session_cookie, visitor_of
from infra.edge.console.gate import COOKIE
from infra.edge.console.guard import has_token, local_path, refused
from infra.ops.pausing import UnusablePauseError
from producers.clients.stock import new_command_id
from producers.errors import ProducerError

if TYPE_CHECKING:
    HttpRequest = Request[Any, Any, Any]

log = structlog.get_logger()


def acting_routes(console: Console) -> list[Any]:
    """Return the routes that change something."""
    return [*_signing(console), *_acting(console)]


def _signing(console: Console) -> list[Any]:
    @get("/signin", sync_to_thread=False)
    def ask(request: Request[Any, Any, Any]) -> Response[bytes]:
        return page(request, "signin.html", problem="", next=local_path(request.query_params.get("next", "/")))

    @post("/signin")
    async def sign_in(request: Request[Any, Any, Any]) -> Response[bytes]:
        form = await request.form()
        target = local_path(str(form.get("next", "/")))
        try:
            session_id = await console.gate.sign_in(dict(request.scope), str(form.get("key", "")))
        except AccessError as error:
            status = 503 if isinstance(error, CannotTellError) else 401
            return page(request, "signin.html", status=status, problem=str(error), next=target)
        answer = see(target)
        answer.set_cookie(session_cookie(request, session_id))
        return answer

    @post("/signout")
    async def sign_out(request: Request[Any, Any, Any]) -> Response[bytes]:
        form = await request.form()
        if not has_token(visitor_of(request), str(form.get("token", ""))):
            return refused(403, "This form is not of your session.")
        console.gate.sign_out(request.cookies.get(COOKIE, ""))
        answer = see("/")
        answer.set_cookie(session_cookie(request, ""))
        return answer

    return [ask, sign_in, sign_out]


def _acting(console: Console) -> list[Any]:
    @get("/act/{name:str}", sync_to_thread=False)
    def confirm(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        subject = str(request.query_params.get("id", ""))
        return _refusal(request, name) or _form(request, ACTIONS[name], subject, new_command_id(name))

    @post("/act/{name:str}")
    async def act(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        form = {field: str(value) for field, value in (await request.form()).items()}
        visitor = visitor_of(request)
        if refusal := _refusal(request, name):
            return refusal
        if not has_token(visitor, form.get("token", "")):
            return refused(403, "This form is not of your session.")
        action, subject, own_id = ACTIONS[name], form.get("id", ""), form.get("own_id", "")
        why = form.get("why", "")
        try:
            await carry_out(console.settings, action, subject, by=visitor.name, why=why, own_id=own_id)
        except (InfraError, ProducerError) as error:
            status = 400 if isinstance(error, UnusableActionError | UnusablePauseError) else 503
            return _form(request, action, subject, own_id, why=why, problem=str(error), status=status)
        log.info("operator_acted", action=name, subject=subject_name(action, subject), by=visitor.name, why=why)
        return see(f"/{action.kind}?id={quote(subject, safe='')}&done={name}")

    return [confirm, act]


def _refusal(request: HttpRequest, name: str) -> Response[bytes] | None:
    """Return why an action may not even be asked for: there is none of this name, or its asker is no operator."""
    if name not in ACTIONS:
        return refused(404, "There is no such action.")
    visitor = visitor_of(request)
    if visitor.may_act:
        return None
    if visitor.session is None and request.method == "GET":
        here = f"{request.url.path}?{request.url.query}"
        return see(f"/signin?next={quote(here, safe='')}")
    return refused(403, "This takes a key with the scope console:operate.")


def _form(
    request: HttpRequest,
    action: Action,
    subject: str,
    own_id: str,
    *,
    why: str = "",
    problem: str = "",
    status: int = 200,
) -> Response[bytes]:
    values = {"action": action, "subject": subject, "own_id": own_id, "why": why, "problem": problem}
    return page(request, "confirm.html", status=status, **values)
