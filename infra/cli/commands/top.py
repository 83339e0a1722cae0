"""Watch whether orders flow, and where they wait."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from infra.base.errors import InfraError
from infra.cli.arguments import seconds_option
from infra.cli.commands.status import print_status
from infra.cli.output import AsJson, print_json, print_text, quiet_settings, run, stdout
from infra.ops.status import read_status

if TYPE_CHECKING:
    from infra.base.settings import Settings
    from infra.ops.status import Status


def top(
    *,
    every: Annotated[float, seconds_option("The pause between two looks.")] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show what `status` shows, again and again until Ctrl-C; with --json a document for each look, a line each."""
    run(_watch(quiet_settings(), every, as_json=as_json))


async def _watch(settings: Settings, every: float, *, as_json: bool) -> None:
    while True:
        try:
            status: Status | None = await read_status(settings)
            trouble = ""
        except InfraError as error:  # what is away comes back, and then this goes on
            status, trouble = None, str(error)
        if as_json:
            print_json(status or {"error": trouble}, indent=False)
        else:
            stdout().clear()
            print_status(status) if status else print_text(trouble)
        await asyncio.sleep(every)
