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
    cases = run(all_that_waits(quiet_settings(), before_ms=before_ms, limit=limit))
    if as_json:
        print_json(cases)
        return
    for case in cases:
        stdout().print(_lines(case))
    if not cases:
        stdout().print(f"Nothing has waited for {older_than:g} s or longer.")


def _lines(case: Stuck) -> Text:
    """Return what waits as a few lines that fit any terminal: ids and commands must stay whole."""
    until = "" if case.deadline_ms is None else f", until {moment(case.deadline_ms)[:19]}"
    return Text.assemble(
        (case.order_id or "the log", "bold"),
        f"  {case.axis} {case.state}\n",
        f"  waits for  {case.waits_for}, since {moment(case.since_ms)[:19]}{until} UTC\n",
        f"  cause      {case.cause}\n" if case.cause else "",
        f"  to do      {case.what_to_do}",
    )
