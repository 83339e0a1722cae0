"""Show whether orders flow, and where they wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer
from rich.text import Text

from infra.base.spans import age
from infra.cli.commands.lag import STYLES, count
from infra.cli.output import FAILED, AsJson, print_json, print_table, quiet_settings, run, stdout
from infra.ops.status import Status, read_status

if TYPE_CHECKING:
    from consumers.lag.model import GroupLag

HEADERS: Final = ("group", "processes", "lag", "time lag", "verdict")
MOST_SKUS: Final = 5
_MARKS: Final = {"error": ("✗ ", "bold red"), "warning": ("! ", "yellow")}


def status(*, as_json: AsJson = False) -> None:
    """Show on one screen whether orders flow, where they wait, and what needs somebody. Exit status 1: an error stands."""
    system = run(read_status(quiet_settings()))
    if as_json:
        print_json(system)
    else:
        print_status(system)
    if system.has_errors:
        raise typer.Exit(FAILED)


def print_status(system: Status) -> None:
    """Print one look at the system."""
    stdout().print(_headline(system))
    rows = [
        (group.group, str(group.members), count(group.lag), age(group.time_lag_ms), _verdict(group))
        for group in system.groups
    ]
    print_table(HEADERS, rows, right=HEADERS[1:4])
    stdout().print(_shop(system))
    if system.demand:
        wanted = ", ".join(
            f"{sku_demand.sku} {sku_demand.units} sold, {sku_demand.sold_out} refused"
            for sku_demand in system.demand[:MOST_SKUS]
        )
        stdout().print(f"wanted within a minute: {wanted}")


def _headline(system: Status) -> Text:
    if not system.problems:
        return Text("✓ Orders flow; nothing needs anybody.", "bold green")
    text = Text()
    for problem in system.problems:
        mark, style = _MARKS[problem.severity]
        text.append(mark, style).append(f"{problem.what}\n", style).append(f"    {problem.to_do}\n", "dim")
    return text


def _verdict(group: GroupLag) -> Text:
    return Text("-", "dim") if group.verdict is None else Text(group.verdict, STYLES[group.verdict])


def _shop(system: Status) -> Text:
    business = system.business
    text = Text("\n")
    for waiting in business.waiting:
        text.append(
            f"{waiting.axis} {waiting.state}: {waiting.count:,}, the oldest for {age(system.at_ms - waiting.oldest_ms)}\n"
        )
    for operation in business.unconfirmed:
        text.append(f"at the processor, {operation.kind}: {operation.count:,}, the oldest for ")
        text.append(f"{age(system.at_ms - operation.oldest_ms)}\n")
    text.append(f"holds that end within a minute: {business.holds_expiring:,}\n")
    if business.outbox:
        blobs = ", ".join(f"{room} {blobs:,}" for room, blobs in business.outbox.items())
        text.append(f"batches not yet published: {blobs}\n")
    if system.open_letters:
        text.append(f"dead letters: {', '.join(f'{reason} {n:,}' for reason, n in system.open_letters.items())}\n")
    return text
