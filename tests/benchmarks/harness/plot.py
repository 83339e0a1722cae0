"""Plots as SVG, by hand, on logarithmic axes: a row a lane with a line from min to max and a dot at the median, or curves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH: Final = 1000
_LEFT: Final = 220
_RIGHT: Final = 250
_TOP: Final = 70
_ROW: Final = 30
_BELOW: Final = 58
_CURVES: Final = 420
_COLOURS: Final = ("#a63d00", "#1d4e89", "#3f7d3a", "#7a3b8f", "#555555")
OURS: Final = "ours"
"""Rows whose label begins so are the product's and stand out."""
_STYLE: Final = (
    "text{font:13px system-ui,'DejaVu Sans',sans-serif;fill:#222}.title{font-size:16px;font-weight:600}"
    ".faint{fill:#666}.grid{stroke:#ddd}.minor{stroke:#f1f1f1}.value{font-weight:600}"
    ".spread{stroke:#3b6ea5;stroke-width:6;stroke-linecap:round;opacity:.45}.dot{fill:#1d4e89}"
    ".ours .label{font-weight:600}.ours .spread{stroke:#c2571a}.ours .dot{fill:#a63d00}"
)


class Row(NamedTuple):
    """One lane: smallest, middle and largest value over the rounds, all above 0, and what is to be said of it."""

    label: str
    low: float
    middle: float
    high: float
    remark: str = ""


class Line(NamedTuple):
    """A curve through points (x, y), all above 0."""

    label: str
    points: Sequence[tuple[float, float]]
    is_dashed: bool = False


class _Axis:
    """A logarithmic axis over whole decades, from left to right."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.first = math.floor(math.log10(min((row.low for row in rows), default=1)))
        self.last = max(math.ceil(math.log10(max((row.high for row in rows), default=10))), self.first + 1)

    def share(self, value: float) -> float:
        """Return how far along the axis a value is, from 0 to 1."""
        return (math.log10(value) - self.first) / (self.last - self.first)

    def x(self, value: float) -> float:
        return round(_LEFT + self.share(value) * (_WIDTH - _LEFT - _RIGHT), 1)

    def lines(self, bottom: int) -> Iterator[str]:
        for power in range(self.first, self.last + 1):
            at = self.x(10.0**power)
            yield f'<line class="grid" x1="{at}" x2="{at}" y1="{_TOP - 6}" y2="{bottom}"/>'
            yield f'<text class="faint" x="{at}" y="{bottom + 18}" text-anchor="middle">{_plain(10.0**power)}</text>'
            for step in range(2, 10) if power < self.last else ():
                between = self.x(step * 10.0**power)
                yield f'<line class="minor" x1="{between}" x2="{between}" y1="{_TOP - 6}" y2="{bottom}"/>'


def plot(title: str, unit: str, rows: Sequence[Row]) -> str:
    """Return the SVG document."""
    height = _TOP + _ROW * len(rows) + _BELOW
    bottom, axis, middle = height - _BELOW + 4, _Axis(rows), (_LEFT + _WIDTH - _RIGHT) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}">',
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        f'<text class="title" x="16" y="28">{escape(title)}</text>',
        '<text class="faint" x="16" y="48">dot: median of the rounds; bar: from the lowest to the highest</text>',
        *axis.lines(bottom),
        f'<text class="faint" x="{middle}" y="{bottom + 40}" text-anchor="middle">{escape(unit)}, logarithmic</text>',
    ]
    for number, row in enumerate(rows):
        y = _TOP + _ROW * number + _ROW // 2
        parts += [
            f'<g class="{"ours" if row.label.startswith(OURS) else "theirs"}">',
            f'<text class="label" x="{_LEFT - 14}" y="{y + 4}" text-anchor="end">{_words(row.label)}</text>',
            f'<line class="spread" x1="{axis.x(row.low)}" x2="{axis.x(row.high)}" y1="{y}" y2="{y}"/>',
            f'<circle class="dot" cx="{axis.x(row.middle)}" cy="{y}" r="5"/>',
            f'<text class="value" x="{_WIDTH - _RIGHT + 90}" y="{y + 4}" text-anchor="end">{_plain(row.middle)}</text>',
            f'<text class="faint" x="{_WIDTH - _RIGHT + 102}" y="{y + 4}">{_words(row.remark)}</text></g>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def plot_lines(title: str, x_unit: str, y_unit: str, lines: Sequence[Line]) -> str:
    """Return the SVG document with curves; those of one lane have one colour."""
    height, bottom = _TOP + _CURVES + _BELOW, _TOP + _CURVES + 4
    across = _Axis([Row("", x, x, x) for line in lines for x, _ in line.points])
    up = _Axis([Row("", y, y, y) for line in lines for _, y in line.points])

    def y_of(value: float) -> float:
        return round(_TOP + _CURVES * (1 - up.share(value)), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}">',
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        f'<text class="title" x="16" y="28">{escape(title)}</text>',
        f'<text class="faint" x="16" y="48">{escape(y_unit)} over {escape(x_unit)}, both logarithmic</text>',
        *across.lines(bottom),
    ]
    for power in range(up.first, up.last + 1):
        y = y_of(10.0**power)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="faint" x="{_LEFT - 10}" y="{y + 4}" text-anchor="end">{_plain(10.0**power)}</text>')
    colours = dict(zip(dict.fromkeys(line.label.rpartition(" ")[0] for line in lines), _COLOURS, strict=False))
    for number, line in enumerate(lines):
        colour, dashes = colours[line.label.rpartition(" ")[0]], "6 4" if line.is_dashed else "none"
        path = " ".join(f"{across.x(x)},{y_of(y)}" for x, y in line.points)
        style = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
        key_y = _TOP + 10 + 22 * number
        parts += [
            f'<polyline fill="none" {style} points="{path}"/>',
            f'<line {style} x1="{_WIDTH - _RIGHT + 20}" x2="{_WIDTH - _RIGHT + 54}" y1="{key_y}" y2="{key_y}"/>',
            f'<text x="{_WIDTH - _RIGHT + 62}" y="{key_y + 4}">{_words(line.label)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _words(text: str) -> str:
    return escape(text.replace("_", " "))


def _plain(value: float) -> str:
    """Write a number out, with three digits where it is small."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
