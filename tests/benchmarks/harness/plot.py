"""A plot as SVG, by hand: one row a lane on a logarithmic axis, a line from min to max, a dot at the median."""

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


class _Axis:
    """A logarithmic axis over whole decades."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.first = math.floor(math.log10(min((row.low for row in rows), default=1)))
        self.last = max(math.ceil(math.log10(max((row.high for row in rows), default=10))), self.first + 1)

    def x(self, value: float) -> float:
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

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


def _words(text: str) -> str:
    return escape(text.replace("_", " "))


def _plain(value: float) -> str:
    """Write a number out, with three digits where it is small."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
