"""Ask for product pages before a peak, to fill caches."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from infra.cli.arguments import url
from infra.cli.groups import new_group
from infra.cli.output import FAILED, MISUSED, AsJson, errors_shown, fail, print_json, run, stdout

app = new_group("pages", "Ask for product pages before a peak, to fill caches.")


@app.command()
def warm(
    address: Annotated[
        str,
        typer.Argument(metavar="URL", parser=url, help="Where pages are asked for: the shop, or a cache before it."),
    ],
    *,
    slugs: Annotated[
        Path,
        typer.Option("--from", metavar="FILE", help="One path a line, such as /p/red-mug_M1; - for standard input."),
    ],
    at_once: Annotated[int, typer.Option(min=1, max=200, help="Requests under way together.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Ask for pages before buyers do, so that the peak finds them in every cache. Exit status 1: some are not there."""
    paths = _paths(slugs)
    with errors_shown():
        failed = run(_warm(address.rstrip("/"), paths, at_once))
    if as_json:
        print_json({"warm": len(paths) - len(failed), "failed": failed})
    else:
        stdout().print(f"{len(paths) - len(failed):,} pages are warm, {len(failed):,} were not there.")
    if failed:
        raise typer.Exit(FAILED)


def _paths(source: Path) -> list[str]:
    try:
        text = sys.stdin.read() if str(source) == "-" else source.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a NUL in the name
        fail(f"{str(source)!r} cannot be read: {getattr(error, 'strerror', None) or error}", MISUSED)
    return text.split()


async def _warm(address: str, paths: Sequence[str], at_once: int) -> list[str]:
    import aiohttp  # noqa: PLC0415  one command needs it

    places = asyncio.Semaphore(at_once)
    failed: list[str] = []
    async with aiohttp.ClientSession(headers={"Accept": "text/html"}) as session:

        async def ask(path: str) -> None:
            try:
                async with places, session.get(address + path) as answer:
                    await answer.read()
                    if not answer.ok:
                        failed.append(path)
            except (aiohttp.ClientError, TimeoutError):
                failed.append(path)

        await asyncio.gather(*map(ask, paths))
    return failed
