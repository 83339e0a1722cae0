"""Show how far each consumer group is behind.

Exit status: 0 every verdict is OK, 3 the worst is WARN or PAUSED, 4 it is REWIND, STALL or STOP, 1 something could not be measured.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from consumers.lag.model import State, Verdict
from infra.base.spans import age
from infra.cli.arguments import seconds_option
from infra.cli.output import FAILED, AsJson, print_json, print_table, quiet_settings, run, stdout
from infra.ops.lag import lag_monitor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.lag.model import GroupLag, LagReport, PartitionLag
    from infra.base.settings import Settings

WARNED: Final = 3
ALARMED: Final = 4
HEADERS: Final = ("group", "state", "members", "lag", "time lag", "in/s", "out/s", "verdict")
LOOK_SECONDS: Final = 3.0
STYLES: Final = {
    Verdict.OK: "green",
    Verdict.PAUSED: "cyan",
    Verdict.WARN: "yellow",
    Verdict.REWIND: "magenta",
    Verdict.STALL: "bold red",
    Verdict.STOP: "bold red",
}


def lag(
    *,
    group: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this group, as Kafka names it; may be given again.")
    ] = None,
    own: Annotated[bool, typer.Option("--own", help="Only the groups of this system.")] = False,
    partitions: Annotated[
        bool, typer.Option("--partitions", help="Show every partition, not only those that need attention.")
    ] = False,
    seconds: Annotated[
        float, seconds_option("Watch for so long before judging; foreign groups need 10 s to show a stall.")
    ] = 0.0,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every 3 s, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far each consumer group is behind, in records and in time, with a verdict."""
    settings = quiet_settings()
    wanted = _Wanted(frozenset(group or ()), own_only=own)
    if watch:
        run(_watch(settings, wanted, partitions=partitions, as_json=as_json))
        return
    report = run(_look(settings, seconds))
    groups = wanted.of(report)
    if as_json:
        print_json(_document(report, groups))
    else:
        _show(report, groups, all_partitions=partitions)
    if (code := _status(report, groups)) != 0:
        raise typer.Exit(code)


class _Wanted:
    def __init__(self, names: frozenset[str], *, own_only: bool) -> None:
        self._names = names
        self._own_only = own_only

    def of(self, report: LagReport) -> list[GroupLag]:
        return [
            group
            for group in report.groups
            if (not self._names or group.group in self._names) and (group.ours or not self._own_only)
        ]


async def _look(settings: Settings, seconds: float) -> LagReport:
    async with lag_monitor(settings) as monitor:
        end = asyncio.get_running_loop().time() + seconds
        report = await monitor.look()
        while (left := end - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(LOOK_SECONDS, left))
            report = await monitor.look()
        return report


async def _watch(settings: Settings, wanted: _Wanted, *, partitions: bool, as_json: bool) -> None:
    def show(report: LagReport) -> None:
        groups = wanted.of(report)
        if as_json:
            print_json(_document(report, groups), indent=False)
            return
        stdout().clear()
        _show(report, groups, all_partitions=partitions)

    async with lag_monitor(settings) as monitor:
        await monitor.run(show)


def _status(report: LagReport, groups: Sequence[GroupLag]) -> int:
    verdicts = {group.verdict for group in groups}
    if verdicts & {Verdict.STALL, Verdict.STOP, Verdict.REWIND}:
        return ALARMED
    if not report.up or any(group.unknown for group in groups):
        return FAILED
    return WARNED if verdicts & {Verdict.WARN, Verdict.PAUSED} else 0


def _document(report: LagReport, groups: Sequence[GroupLag]) -> dict[str, object]:
    return {
        "at_ms": report.at_ms,
        "up": report.up,
        "look_seconds": report.look_seconds,
        "errors": report.errors,
        "groups": groups,
    }


# --- for people -----------------------------------------------------------------------------------------------------------


def _show(report: LagReport, groups: Sequence[GroupLag], *, all_partitions: bool) -> None:
    rows = [
        (
            group.group,
            group.state,
            str(group.members),
            count(group.lag),
            age(group.time_lag_ms),
            _total(part.in_per_second for part in group.partitions),
            _total(part.out_per_second for part in group.partitions),
            _verdict(group),
        )
        for group in groups
    ]
    print_table(HEADERS, rows, right=HEADERS[2:7])
    console = stdout()
    for group in groups:
        for part in group.partitions:
            if all_partitions or part.verdict not in {Verdict.OK, None} or part.state is State.UNKNOWN:
                console.print(_line(report, group, part))
    for error in report.errors:
        console.print(Text(error, "red"))


def _line(report: LagReport, group: GroupLag, part: PartitionLag) -> Text:
    positions = f"committed {count(part.committed)}"
    if group.ours and part.decided is not None:
        positions += f", decided {count(part.decided)}"
    text = Text(f"  {group.group}  {part.topic}/{part.partition}  {positions}, end {count(part.log_end)}")
    text.append(f"  lag {count(part.lag)}, {age(part.time_lag_ms)}  owner {part.owner or 'none'}  ")
    if part.state is State.UNKNOWN:
        known = "never measured" if part.as_of_ms is None else f"measured {age(report.at_ms - part.as_of_ms)} ago"
        return text.append(f"UNKNOWN, {known}", "yellow")
    if part.state is State.NO_COMMIT:
        return text.append("no commit", "dim")
    judgement = " ".join(filter(None, [str(part.verdict or ""), part.why, *part.flags]))
    return text.append(judgement, STYLES[part.verdict] if part.verdict is not None else "dim")


def _verdict(group: GroupLag) -> Text:
    text = Text(str(group.verdict), STYLES[group.verdict]) if group.verdict is not None else Text("-", "dim")
    return text.append(f" ({group.unknown} unknown)", "yellow") if group.unknown else text


def _total(rates: Iterable[float | None]) -> str:
    known = [rate for rate in rates if rate is not None]
    return f"{sum(known):,.0f}" if known else "-"


def count(number: int | None) -> str:
    """Return a number for people; - where there is none."""
    return "-" if number is None else f"{number:,}"
