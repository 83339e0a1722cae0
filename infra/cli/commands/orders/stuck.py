"""`lastunit orders stuck`: what waits, for what, until when, and what a person can do about it."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.text import Text

from infra.base.spans import moment
from infra.cli.arguments import MAX_INT, seconds_option
from infra.cli.output import AsJson, print_json, quiet_settings, run, stdout
from infra.ops.overdue.orders import Stuck
from infra.ops.overdue.report import all_that_waits


def stuck(
    *,
    older_than: Annotated[float, seconds_option("Only what has waited for so long.")] = 60.0,
    limit: Annotated[int, typer.Option(min=1, max=MAX_INT, help="At most so many, the longest waits first.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the orders and the partitions of the log that wait for something, why, and what can be done."""
    before_ms = time.time_ns() // 1_000_000 - round(older_than * 1000)
    found = run(all_that_waits(quiet_settings(), before_ms=before_ms, limit=limit))
    if as_json:
        print_json(found)
        return
    for it in found:
        stdout().print(_lines(it))
    if not found:
        stdout().print(f"Nothing has waited for {older_than:g} s or longer.")


def _lines(it: Stuck) -> Text:
    """Return what waits as a few lines that fit any terminal: ids and commands must stay whole."""
    until = "" if it.deadline_ms is None else f", until {moment(it.deadline_ms)[:19]}"
    return Text.assemble(
        (it.order_id or "the log", "bold"),
        f"  {it.axis} {it.state}\n",
        f"  waits for  {it.waits_for}, since {moment(it.since_ms)[:19]}{until} UTC\n",
        f"  cause      {it.cause}\n" if it.cause else "",
        f"  to do      {it.what_to_do}",
    )
