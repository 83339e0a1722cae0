"""The last hour of what the console watches, kept in its memory: lag of each partition, levels of SKUs that are wanted or looked at."""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import msgspec

from consumers.lag.model import Flag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.lag.model import GroupLag, LagReport
    from infra.ops.stock import Level

STEP_MS: Final = 15_000
POINTS: Final = 240
"""An hour of steps."""
LEAST_POINTS: Final = 40
MOST_SKUS: Final = 500
"""SKUs whose levels are kept; the one that was seen longest ago goes first."""
UNITS: Final = ("available", "reserved", "allocated")


class Line(msgspec.Struct, frozen=True):
    """One line of a chart; None where nothing was measured."""

    name: str
    values: list[float | None]


class Chart(msgspec.Struct, frozen=True):
    """Lines over the same moments (s since the epoch, UTC), in `unit`."""

    unit: str
    at_s: list[float]
    lines: list[Line]


class Hour:
    """One figure over the last hour: of each step its largest value, or its last one. A step takes four bytes."""

    __slots__ = ("_latest", "_values")

    def __init__(self) -> None:
        self._values = array("f", [math.nan]) * POINTS
        self._latest = 0

    def put(self, at_ms: int, value: float, *, largest: bool = False) -> None:
        """Take a value; steps that were left out since the last one have none."""
        step = at_ms // STEP_MS
        for missed in range(min(step - self._latest, POINTS)):
            self._values[(step - missed) % POINTS] = math.nan
        self._latest = max(step, self._latest)
        before = self._values[step % POINTS]
        self._values[step % POINTS] = before if largest and before > value else value

    def values(self, now_ms: int) -> list[float | None]:
        """Return the hour up to now, the oldest first."""
        last = now_ms // STEP_MS
        steps = range(last - POINTS + 1, last + 1)
        return [None if step > self._latest else _known(self._values[step % POINTS]) for step in steps]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)


class History:
    """What is kept. Groups of our own have a line for each partition, foreign ones one line, and none once they have vanished."""

    def __init__(self) -> None:
        self._lag: dict[str, dict[str, Hour]] = {}
        self._longest: dict[str, Hour] = {}
        self._levels: OrderedDict[str, tuple[Hour, ...]] = OrderedDict()

    def take_lag(self, report: LagReport) -> None:
        """Note the time lag of every partition that was measured, s."""
        for group in report.groups:
            if group.time_lag_ms is not None:
                longest = self._longest.setdefault(group.group, Hour())
                longest.put(report.at_ms, group.time_lag_ms / 1000, largest=True)
            if group.ours:
                self._take_partitions(report.at_ms, group)
        there = {group.group for group in report.groups}
        for kept in (self._lag, self._longest):
            for vanished in kept.keys() - there:
                del kept[vanished]

    def _take_partitions(self, at_ms: int, group: GroupLag) -> None:
        lines = self._lag.setdefault(group.group, {})
        for part in group.partitions:
            if part.time_lag_ms is not None and part.as_of_ms == at_ms and Flag.ABANDONED not in part.flags:
                name = f"{part.topic}/{part.partition}"
                lines.setdefault(name, Hour()).put(at_ms, part.time_lag_ms / 1000, largest=True)

    def take_levels(self, at_ms: int, levels: Iterable[Level]) -> None:
        """Note levels, units."""
        for level in levels:
            hours = self._levels.pop(level.sku, None) or tuple(Hour() for _ in UNITS)
            self._levels[level.sku] = hours
            for name, hour in zip(UNITS, hours, strict=True):
                hour.put(at_ms, getattr(level, name))
        while len(self._levels) > MOST_SKUS:
            self._levels.popitem(last=False)

    def lag_of_groups(self, now_ms: int, groups: Sequence[str]) -> Chart:
        """Return the longest time lag of each of these groups."""
        hours = {name: self._longest[name] for name in groups if name in self._longest}
        return _chart("s", now_ms, hours)

    def lag_of(self, group: str, now_ms: int) -> Chart:
        """Return the time lag of each partition of a group of ours, of a foreign group the longest."""
        own = self._lag.get(group)
        return _chart("s", now_ms, own) if own is not None else self.lag_of_groups(now_ms, [group])

    def levels_of(self, sku: str, now_ms: int) -> Chart:
        """Return the level of a SKU, units."""
        return _chart("units", now_ms, dict(zip(UNITS, self._levels.get(sku, ()), strict=False)))


def _chart(unit: str, now_ms: int, hours: dict[str, Hour]) -> Chart:
    """Return the hour, from where something is known on; of ten minutes at least."""
    last = now_ms // STEP_MS
    at_s = [(last - POINTS + 1 + place) * STEP_MS / 1000 for place in range(POINTS)]
    values = {name: hour.values(now_ms) for name, hour in hours.items()}
    known = (place for line in values.values() for place, value in enumerate(line) if value is not None)
    first = min(min(known, default=POINTS), POINTS - LEAST_POINTS)
    return Chart(unit, at_s[first:], [Line(name, line[first:]) for name, line in values.items()])
