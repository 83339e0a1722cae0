"""A page of the console that fails says so in the log."""

from __future__ import annotations

from typing import Any

from litestar.exceptions import HTTPException, NotFoundException
from structlog.testing import capture_logs

from infra.edge.console.routes import note_failure


async def test_a_failure_is_logged_with_its_page_and_a_refusal_is_not() -> None:
    scope: Any = {"path": "/orders" + "x" * 1_000}
    with capture_logs() as logged:
        for error in (NotFoundException(), HTTPException(status_code=403), ValueError("boom")):
            await note_failure(error, scope)
    assert [(entry["event"], len(entry["path"]), repr(entry["exc_info"])) for entry in logged] == [
        ("request_failed", 200, "ValueError('boom')")
    ]
