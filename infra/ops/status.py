"""Everything that an operator looks at first, on one page: processes, lag, what waits in the shop, dead letters."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

from consumers.lag.model import GroupLag, PartitionLag, Verdict
from infra.base.connections import address_of, database
from infra.base.readiness import folder_of, read_readiness
from infra.ops.business.measure import BusinessLag, Demand, business_lag, demand
from infra.ops.lag import lag_monitor
from infra.ops.letters.reading import LetterState, read_letters
from infra.ops.log import Log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumers.lag.model import LagReport
    from infra.base.settings import Settings

MOST_LISTED: Final = 3
"""Partitions of a group with one verdict that are named one by one; more of them are one problem."""
_BAD: Final = frozenset({Verdict.STALL, Verdict.STOP, Verdict.REWIND})


class Process(msgspec.Struct, frozen=True):
    """A process that shows itself on this machine (infra/base/readiness.py)."""

    process: str
    pid: int
    ready: bool
    alive: bool
    obstacles: dict[str, str]


class Problem(msgspec.Struct, frozen=True):
    """What is wrong, and the command or the page that mends it. An `error` keeps orders from flowing."""

    severity: str
    what: str
    to_do: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The system as of `at_ms`."""

    at_ms: int
    processes: list[Process]
    groups: list[GroupLag]
    business: BusinessLag
    demand: list[Demand]
    open_letters: dict[str, int]
    problems: list[Problem]

    @property
    def has_errors(self) -> bool:
        """Whether anything keeps orders from flowing."""
        return any(problem.severity == "error" for problem in self.problems)


async def read_status(settings: Settings) -> Status:
    """Look at all of it once. Raises InfraError where a server does not answer."""
    async with (
        lag_monitor(settings) as monitor,
        Log(address_of("kafka_bootstrap", settings), settings.namespace) as log,
        database(settings) as connection,
    ):
        report = await monitor.look()
        business = await business_lag(connection)
        wanted = await demand(log)
        letters = await read_letters(log)
    processes = [
        Process(shown.process, shown.pid, shown.ready, shown.is_alive, shown.obstacles)
        for shown in read_readiness(folder_of(settings))
    ]
    open_letters = Counter(letter.source.reason for letter in letters if letter.state is LetterState.OPEN)
    return Status(
        at_ms=report.at_ms,
        processes=processes,
        groups=report.groups,
        business=business,
        demand=wanted,
        open_letters=dict(open_letters.most_common()),
        problems=problems(report, business, processes, open_letters.total()),
    )


def problems(report: LagReport, business: BusinessLag, processes: list[Process], open_letters: int) -> list[Problem]:
    """Return what needs somebody, the errors first. Pure."""
    all_problems = [*_of_groups(report), *_of_processes(processes), *_of_the_shop(business, open_letters)]
    return sorted(all_problems, key=lambda problem: problem.severity != "error")


def _of_groups(report: LagReport) -> Iterator[Problem]:
    for error in report.errors:
        yield Problem("error", error, "see that the server runs: `lastunit ready`")
    for group in report.groups:
        if group.unknown:
            yield Problem(
                "warning", f"{group.unknown} partitions of {group.group} could not be measured", "`lastunit lag`"
            )
        for verdict in Verdict:
            if verdict is not Verdict.OK and (parts := [part for part in group.partitions if part.verdict is verdict]):
                yield from _of_partitions(group, verdict, parts)


def _of_partitions(group: GroupLag, verdict: Verdict, parts: list[PartitionLag]) -> Iterator[Problem]:
    """Yield each partition of a group with this verdict; as one problem where they are many."""
    severity = "error" if group.ours and verdict in _BAD else "warning"
    if len(parts) <= MOST_LISTED:
        for part in parts:
            yield Problem(
                severity, f"{group.group} {_placed(part)} {verdict}: {part.why}", _to_do(group, verdict, part.partition)
            )
        return
    which = "all" if len(parts) == len(group.partitions) else f"{len(parts)} of {len(group.partitions)}"
    what = f"{group.group} {verdict} in {which} partitions, as {_placed(parts[0])}: {parts[0].why}"
    yield Problem(severity, what, _to_do(group, verdict, None))


def _placed(part: PartitionLag) -> str:
    return f"{part.topic}/{part.partition}"


def _to_do(group: GroupLag, verdict: Verdict, partition: int | None) -> str:
    room = group.group.rpartition(".")[2]
    if verdict is Verdict.PAUSED:
        is_whole = all(part.verdict is verdict for part in group.partitions)
        if partition is None and not is_whole:
            return "`lastunit room paused`"
        return f"`lastunit room resume {room}{'' if is_whole else f' --partition {partition}'}`"
    return f"`lastunit room {room}`" if group.ours and verdict is Verdict.STOP else "docs/guides/lag.md"


def _of_processes(processes: list[Process]) -> Iterator[Problem]:
    for process in processes:
        if not process.alive:
            yield Problem("error", f"{process.process} (process {process.pid}) hangs", "end it; it is started again")
        elif not process.ready:
            yield Problem(
                "error",
                f"{process.process} is not ready: {'; '.join(process.obstacles.values())}",
                "docs/guides/outages.md",
            )


def _of_the_shop(business: BusinessLag, open_letters: int) -> Iterator[Problem]:
    for late in business.past_deadline:
        yield Problem(
            "error", f"{late.count} deadlines of {late.room} are over and not ended", "`lastunit orders stuck`"
        )
    if business.holds_expired:
        yield Problem("error", f"{business.holds_expired} holds are over and not ended", "`lastunit lag --own`")
    for waiting in business.waiting:
        if waiting.state in {"void_failed", "refund_failed", "lapsed"}:
            yield Problem("warning", f"{waiting.count} payments are {waiting.state}", "`lastunit orders stuck`")
    if business.parked_webhooks:
        yield Problem("warning", f"{business.parked_webhooks} webhooks are parked", "`lastunit webhooks parked`")
    if open_letters:
        yield Problem("warning", f"{open_letters} dead letters are open", "`lastunit letters list`")
