"""Set where foreign groups and projections read on."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from infra.base.spans import moment
from infra.cli.arguments import MAX_INT, MOMENTS, SHOWN, name_argument, name_option
from infra.cli.arguments import moment as read_moment
from infra.cli.groups import new_group
from infra.cli.output import MISUSED, AsJson, counted, fail, print_json, print_table, print_text, quiet_settings, run
from infra.ops.offsets.plan import Target
from infra.ops.offsets.resetting import carry_out, plan_reset

if TYPE_CHECKING:
    from infra.ops.offsets.resetting import Reset

app = new_group("offsets", "Set where foreign groups and projections read on.")

HEADERS: Final = ("topic", "partition", "position", "to", "redone", "left out", "first record (UTC)")
MAX_OFFSET_DIGITS: Final = 18


def _target(given: str | Target) -> Target:
    if isinstance(given, Target):
        return given
    match given:
        case "earliest":
            return Target("earliest")
        case "latest":
            return Target("latest")
    if given.isascii() and given.isdecimal() and len(given) <= MAX_OFFSET_DIGITS:
        return Target("offset", int(given))
    try:
        return Target("time", round(read_moment(given).timestamp() * 1000))
    except typer.BadParameter:
        raise typer.BadParameter(
            f"{given[:SHOWN]!r}: give earliest, latest, an offset, or a time such as {MOMENTS}."
        ) from None


@app.command()
def reset(
    group: Annotated[str, name_argument("GROUP", "The group, as Kafka names it.")],
    *,
    to: Annotated[
        Target,
        typer.Option(
            metavar="TARGET",
            parser=_target,
            help="earliest, latest, an offset of one partition, or a time: the first record since then.",
        ),
    ],
    topic: Annotated[str | None, typer.Option(metavar="TOPIC", help="Only this topic, as Kafka names it.")] = None,
    partition: Annotated[int | None, typer.Option(metavar="N", min=0, max=MAX_INT, help="Only this partition.")] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Do it. Without this it is shown only.")] = False,
    why: Annotated[str | None, name_option("TEXT", "Why; it is noted on operator.actions. Needed to do it.")] = None,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who does it; it is noted on operator.actions.")] = "",
    as_json: AsJson = False,
) -> None:
    """Set the positions of a group that nobody is in, or of the views or trends. First it shows what would be read again or left out.

    Rooms are refused always: their position is in PostgreSQL.
    """
    settings = quiet_settings()
    if to.kind == "offset" and (topic is None or partition is None):
        fail("An offset is one of one partition: give --topic and --partition too.", MISUSED)
    if execute and not why:
        fail("Give the reason too: --why TEXT.", MISUSED)
    planned = run(plan_reset(settings, group, to, topic=topic, partition=partition))
    if execute:
        run(carry_out(settings, planned, by=by or getpass.getuser(), why=why or ""))
    if as_json:
        totals = {"redone": planned.redone, "skipped": planned.skipped, "first_at_ms": planned.first_at_ms}
        print_json({"group": planned.group, "executed": execute, **totals, "moves": planned.moves})
    else:
        _show(planned, executed=execute)


def _show(planned: Reset, *, executed: bool) -> None:
    if not planned.moves:
        print_text(f"{planned.group} stands there already; nothing would change.")
        return
    rows = [
        (
            move.topic,
            str(move.partition),
            f"{move.position:,}",
            f"{move.to:,}",
            f"{move.redone:,}" if move.redone else "",
            f"{move.skipped:,}" if move.skipped else "",
            "-" if move.first_at_ms is None else moment(move.first_at_ms)[:19],
        )
        for move in planned.moves
    ]
    print_table(HEADERS, rows, right=HEADERS[1:6])
    since = "" if planned.first_at_ms is None else f", the first of {moment(planned.first_at_ms)[:19]} UTC"
    does = [
        *([f"reads {counted(planned.redone, 'record')} again{since}"] if planned.redone else []),
        *([f"leaves out {counted(planned.skipped, 'record')} for good"] if planned.skipped else []),
    ]
    if executed:
        print_text(f"Done: {planned.group} {' and '.join(does)}.")
    else:
        print_text(f'{planned.group} then {" and ".join(does)}. Nothing has changed; do it with --execute --why "...".')
