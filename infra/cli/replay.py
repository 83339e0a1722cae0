"""`lastunit replay`: decides the log again, for auditors. Exit status 0: as published, 1: it differs or cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer
from rich.text import Text

from infra.base.rooms import REPLAYED
from infra.cli.output import FAILED, AsJson, print_json, quiet_settings, run, stdout
from infra.cli.timeline import moment
from infra.ops.audit.history import AuditedDecision, DecisionFilter, history

if TYPE_CHECKING:
    from infra.base.settings import Settings

if TYPE_CHECKING:
    RoomName: TypeAlias = str
else:
    RoomName = Literal[REPLAYED]  # the command line's choices

Room = Annotated[
    RoomName | None, typer.Option(help="Whose decisions. Default: inventory's; with --order every room's.")
]
Partition = Annotated[int | None, typer.Option(min=0, help="Only this partition.")]
Sku = Annotated[str | None, typer.Option(help="Only what is about this SKU.")]
OrderId = Annotated[str | None, typer.Option("--order", help="Only what is about this order.")]
Until = Annotated[
    datetime | None,
    typer.Option(metavar="TIME", help="Only what was in the log by then, such as 2026-01-31T12:00:00 (UTC)."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay)


def replay(
    *,
    room: Room = None,
    partition: Partition = None,
    sku: Sku = None,
    order_id: OrderId = None,
    until: Until = None,
    show_all: Annotated[bool, typer.Option("--all", help="Print every decision.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take every decision again from the log, and compare it with what was published then.

    Alone it prints the verdict; with --all, --sku, --order or --partition the decisions too. With --json each of them is
    one line, and the last line is the verdict.
    """
    until_ms = None if until is None else int(until.replace(tzinfo=until.tzinfo or UTC).timestamp() * 1000)
    wanted = DecisionFilter(
        room=room or (None if order_id else "inventory"),
        partition=partition,
        sku=sku,
        order_id=order_id,
        until_ms=until_ms,
    )
    with_decisions = show_all or not (sku is None and order_id is None and partition is None)
    if not run(_print_decisions(quiet_settings(), wanted, with_decisions=with_decisions, as_json=as_json)):
        raise typer.Exit(FAILED)


async def _print_decisions(settings: Settings, wanted: DecisionFilter, *, with_decisions: bool, as_json: bool) -> bool:
    """Print the decisions if asked for, and the verdict; return whether all are as published."""
    decisions, first = 0, None
    async for step in history(settings, wanted):
        decisions += 1
        first = first or step.difference
        if not with_decisions and step.difference is None:
            continue
        if as_json:
            print_json(step, indent=False)
        else:
            stdout().print(_described(step))
    if as_json:
        print_json({"decisions": decisions, "equal": first is None, "first_difference": first}, indent=False)
    elif first is None:
        stdout().print(Text(f"{decisions:,} decisions, all equal to the published events", "bold green"))
    else:
        stdout().print(Text(f"{decisions:,} decisions; the first difference: {first}", "bold red"))
    return first is None


def _described(step: AuditedDecision) -> Text:
    """Return a decision as lines: input, outcomes, and what changed by them."""
    text = Text()
    text.append(f"{moment(step.at_ms)}  {step.position}  ", "dim")
    text.append(step.input, "bold")
    text.append(f" {_facts(step.facts)}\n")
    for outcome in step.outcomes:
        text.append(f"    {outcome.type}", "red" if outcome.reason else "green")
        text.append(f" {_facts(outcome.facts)}\n")
    if not step.outcomes:
        text.append("    nothing follows\n", "dim")
    for name, after in step.after.items():
        before = step.before[name]
        change = after if before == after else f"{before} -> {after}"
        text.append(f"    {name}: {change}\n", "cyan")
    if step.difference is not None:
        text.append(f"    differs: {step.difference}\n", "bold red")
    text.rstrip()
    return text


def _facts(facts: dict[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in facts.items() if value != "")
