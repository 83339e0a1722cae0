"""Whether every record below a claim's position was decided: one that was skipped left nothing, neither events nor rows."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from schemas.codec.wire import decode
from schemas.errors import DecodeError

if TYPE_CHECKING:
    from infra.ops.audit.replay import Decision
    from infra.ops.audit.report import Tally


class Run(msgspec.Struct):
    """Records in a row of which nothing was published; `subjects` are the orders and commands that they are about."""

    source: str
    partition: int
    first: int
    count: int = 0
    subjects: set[str] = msgspec.field(default_factory=set)


class UndecidedRecords:
    """Follows a room's replay, record by record; what its rows lack too was never decided.

    `differing` collects the orders and commands whose rows are not as the log gives them. An event that was lost on its
    way is no undecided record: the rows know of its decision.
    """

    def __init__(self) -> None:
        self.differing: set[str] = set()
        self._runs: list[Run] = []
        self._open: dict[tuple[str, int], Run] = {}
        self._silent: Counter[tuple[str, int]] = Counter()

    def follow(self, decision: Decision, *, has_outputs: bool) -> None:
        """Take in the next decision; `has_outputs` is whether anything was published about it."""
        place = decision.source, decision.record.partition
        if has_outputs:
            self._open.pop(place, None)
            return
        if not (subjects := _subjects(decision)):
            self._silent[place] += 1
            return
        run = self._open.get(place)
        if run is None:
            run = self._open[place] = Run(*place, decision.record.offset)
            self._runs.append(run)
        else:
            run.count += self._silent[place]
        self._silent[place] = 0
        run.count += 1
        run.subjects |= subjects

    def report(self, room: str, tally: Tally) -> None:
        """Report the runs whose subjects the tables do not have as the log gives them."""
        for run in self._runs:
            if not run.subjects.isdisjoint(self.differing):
                tally.count(undecided=run.count)
                tally.breach(
                    f"{room} never decided {run.count} records of {run.source}/{run.partition} from offset {run.first} on"
                )


def _subjects(decision: Decision) -> set[str]:
    """Return what a decision without any published output is about, where it must have left a trace."""
    command_id = getattr(decision.message, "command_id", None)
    if command_id is not None:
        return {command_id}
    subjects: set[str] = set()
    for output in decision.outputs:
        try:
            subjects.add(getattr(decode(output.value), "order_id", ""))
        except DecodeError:
            continue
    return subjects - {""}
