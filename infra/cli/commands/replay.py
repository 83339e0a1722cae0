"""Decide the log again, compare with what was published."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import typer
from rich.text import Text

from infra.base.rooms import REPLAYED
from infra.base.spans import moment as written
from infra.cli.arguments import MAX_INT, MOMENTS, moment, name_option
from infra.cli.output import FAILED, AsJson, print_json, quiet_settings, run, stdout
from infra.cli.references import order_id_of
from infra.ops.audit.history import AuditedDecision, DecisionFilter, history

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.base.settings import Settings

if TYPE_CHECKING:
    RoomName: TypeAlias = str
else:
    RoomName = Literal[REPLAYED]  # the command line's choices

NOTHING: Final = "nothing"
NEVER_WAS: Final = frozenset({NOTHING, "none", "unknown"})
"""States of what has not begun: an order of which nothing was decided, a payment that nobody asked for."""

Room = Annotated[
    RoomName | None, typer.Option(help="Whose decisions. Default: inventory's; with --order every room's.")
]
Partition = Annotated[int | None, typer.Option(min=0, max=MAX_INT, help="Only this partition.")]
Sku = Annotated[str | None, name_option("SKU", "Only what is about this SKU.")]
Order = Annotated[str | None, name_option("ORDER", "Only what is about this order, by its id or its reference.")]
Until = Annotated[
    datetime | None,
    typer.Option(metavar="TIME", parser=moment, help=f"Only what was in the log by then, such as {MOMENTS}."),
]
All = Annotated[bool, typer.Option("--all", help="Print every decision.")]


def replay(
    *,
    room: Room = None,
    partition: Partition = None,
    sku: Sku = None,
    order: Order = None,
    until: Until = None,
    all_: All = False,
    as_json: AsJson = False,
) -> None:
    """Take every decision again from the log, and compare it with what was published then.

    Alone it prints the verdict, and decisions that differ; with --all, --sku, --order or --partition all those decisions. Exit
    status 1: something differs or cannot be read. With --json each decision is one line, and the verdict is the last.
    """
    settings = quiet_settings()
    order_id = order_id_of(order, settings) if order else None
    wanted = DecisionFilter(
        room=room or (None if order_id else "inventory"),
        partition=partition,
        sku=sku,
        order_id=order_id,
        until_ms=None if until is None else int(until.timestamp() * 1000),
    )
    is_detailed = all_ or not (sku is None and order_id is None and partition is None)
    if not run(_print_decisions(settings, wanted, is_detailed=is_detailed, as_json=as_json)):
        raise typer.Exit(FAILED)


async def _print_decisions(settings: Settings, wanted: DecisionFilter, *, is_detailed: bool, as_json: bool) -> bool:
    """Print the decisions, if they are wanted, and the verdict; return whether all are as published."""
    decisions, first, by_version = 0, None, Ranges()
    async for step in history(settings, wanted):
        decisions += 1
        first = first or step.difference
        by_version.add(step)
        if not is_detailed and step.difference is None:
            continue
        if as_json:
            print_json(step, indent=False)
        else:
            stdout().print(_in_words(step))
    if as_json:
        verdict = {"decisions": decisions, "equal": first is None, "first_difference": first}
        print_json({**verdict, "by_facts": by_version.facts, "rules": by_version.documents()}, indent=False)
    elif first is None:
        stdout().print(Text(f"{decisions:,} decisions, all equal to the published events", "bold green"))
    else:
        stdout().print(Text(f"{decisions:,} decisions; the first difference: {first}", "bold red"))
    if not as_json:
        for line in by_version.lines():
            stdout().print(Text(line, "dim"))
    return first is None


class Ranges:
    """Which version of the rules was in force over which offsets, by room and partition of a topic."""

    def __init__(self) -> None:
        self.facts = 0
        self._offsets: dict[tuple[str, str, int], list[int]] = {}

    def add(self, step: AuditedDecision) -> None:
        """Take in the next decision."""
        self.facts += step.is_fact
        where, _, offset = step.position.rpartition("/")
        first_last = self._offsets.setdefault((step.room, where, step.rules_version), [int(offset), int(offset)])
        first_last[1] = int(offset)

    def documents(self) -> list[dict[str, object]]:
        """Return the ranges of what was decided; `partition` is topic/partition, `first` and `last` are offsets."""
        return [
            {"room": room, "partition": where, "version": version, "first": first, "last": last}
            for (room, where, version), (first, last) in sorted(self._offsets.items())
        ]

    def lines(self) -> Iterator[str]:
        """Describe the versions: in one line where there is but one."""
        versions = {version for _, _, version in self._offsets}
        if len(versions) == 1:
            yield f"Rules: version {versions.pop()} everywhere"
        elif versions:
            for (room, where, version), (first, last) in sorted(self._offsets.items()):
                yield f"Rules: {room}, {where} offsets {first} to {last}: version {version}"
        if self.facts:
            yield f"{self.facts:,} decisions of version 0 differ from what is decided now and are shown as published"


def _in_words(step: AuditedDecision) -> Text:
    """Return a decision as lines: input, outcomes, and what changed by them."""
    text = Text()
    text.append(f"{written(step.at_ms)}  {step.position}  ", "dim")
    text.append(step.input, "bold")
    text.append(f" {_facts(step.facts)}\n")
    for outcome in step.outcomes:
        text.append(f"    {outcome.type}", "red" if outcome.reason else "green")
        text.append(f" {_facts(outcome.facts)}\n")
    if not step.outcomes:
        text.append("    nothing follows\n", "dim")
    for name, after in step.after.items():
        if change := _change(step.before[name], after):
            text.append(f"    {name}: {change}\n", "cyan")
    if step.difference is not None:
        text.append(f"    differs: {step.difference}\n", "bold red")
    text.rstrip()
    return text


def _change(before: str, after: str) -> str:
    """Return how a state has changed; empty for what is still as if it never was."""
    if before != NOTHING:
        return after if before == after else f"{before} -> {after}"
    return "" if after in NEVER_WAS else f"now {after}"


def _facts(facts: dict[str, object]) -> str:
    return " ".join(f"{name}={value}" for name, value in facts.items() if value != "")
