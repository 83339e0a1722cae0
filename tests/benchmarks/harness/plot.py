"""A plot as SVG, by hand: one row a lane on a logarithmic axis, a line from min to max, a dot at the median."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH: Final = 860
_LEFT: Final = 250
_RIGHT: Final = 90
_TOP: Final = 64
_ROW: Final = 30
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#222}.title{font-size:16px;font-weight:600}.faint{fill:#777}"
    ".grid{stroke:#ddd}.spread{stroke:#3b6ea5;stroke-width:6;stroke-linecap:round;opacity:.45}.dot{fill:#1d4e89}"
)


class Row(NamedTuple):
    """One lane: smallest, middle and largest value over the rounds, all above 0."""

    label: str
    low: float
    middle: float
    high: float


def plot(title: str, unit: str, rows: Sequence[Row]) -> str:
    """Return the SVG document."""
    height = _TOP + _ROW * len(rows) + 40
    first = math.floor(math.log10(min((row.low for row in rows), default=1)))
    last = max(math.ceil(math.log10(max((row.high for row in rows), default=10))), first + 1)

    def x(value: float) -> float:
        share = (math.log10(value) - first) / (last - first)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}">',
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        f'<text class="title" x="16" y="28">{escape(title)}</text>',
        f'<text class="faint" x="16" y="48">{escape(unit)}; min, median and max of the rounds</text>',
    ]
    for power in range(first, last + 1):
        at = x(10.0**power)
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{_TOP - 6}" y2="{height - 34}"/>')
        parts.append(f'<text class="faint" x="{at}" y="{height - 16}" text-anchor="middle">{10.0**power:,g}</text>')
    for number, row in enumerate(rows):
        y = _TOP + _ROW * number + _ROW / 2
        parts.append(f'<text x="{_LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(row.label)}</text>')
        parts.append(f'<line class="spread" x1="{x(row.low)}" x2="{x(row.high)}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="dot" cx="{x(row.middle)}" cy="{y}" r="5"/>')
        parts.append(f'<text x="{x(row.high) + 12}" y="{y + 4}">{row.middle:,.4g}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
