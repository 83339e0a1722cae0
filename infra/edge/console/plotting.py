"""Charts of the console: as SVG paths for whoever has no script, and the race for a SKU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.edge.console.history import Chart, Line
from infra.ops.business.measure import DEMAND_SECONDS

if TYPE_CHECKING:
    from infra.edge.console.watching import Watch

WIDTH: Final = 240
HEIGHT: Final = 48


def svg_of(chart: Chart) -> list[str]:
    """Return the lines of a chart as paths of an SVG of WIDTH by HEIGHT, broken where nothing was measured."""
    top = max((value for line in chart.lines for value in line.values if value is not None), default=0.0) or 1.0
    return [path for line in chart.lines if (path := _path(line.values, top)).count("L")]


def _path(values: list[float | None], top: float) -> str:
    parts, pen = [], "M"
    for place, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        x, y = WIDTH * place / max(1, len(values) - 1), HEIGHT - value / top * (HEIGHT - 2)
        parts.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(parts)


def race(watch: Watch, sku: str, now_s: int) -> Chart:
    """Return a SKU's last minute by the second: units reserved, lines refused for want of units, as running totals."""
    seconds = range(now_s - round(DEMAND_SECONDS), now_s + 1)
    by_second = watch.window.by_second(sku)
    sold, refused, totals = 0.0, 0.0, []
    for second in seconds:
        units, lines = by_second.get(second, (0, 0))
        sold, refused = sold + units, refused + lines
        totals.append((sold, refused))
    lines_ = [
        Line("units sold", [units for units, _ in totals]),
        Line("orders refused", [lines for _, lines in totals]),
    ]
    return Chart("in all", [float(second) for second in seconds], lines_)
