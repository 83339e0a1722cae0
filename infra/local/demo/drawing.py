"""Charts of a demo's figures as SVG, by hand: steps over a line of time or of decisions, and bars. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH: Final = 900
HEIGHT: Final = 260
LEFT: Final = 70
RIGHT: Final = 20
TOP: Final = 16
BELOW: Final = 46
MOST_POINTS: Final = 600
"""Points of a curve; more of them are thinned out, the last one stays."""
COLOURS: Final = ("#1d4e89", "#a63d00", "#3f7d3a", "#7a3b8f")
ROW: Final = 28


class Curve(NamedTuple):
    """Points (x, y) in the order of x, each valid up to the next."""

    name: str
    points: Sequence[tuple[float, float]]


class Mark(NamedTuple):
    """A level that a curve is to be held against."""

    name: str
    y: float


def steps(title: str, x_name: str, curves: Sequence[Curve], mark: Mark | None = None) -> str:
    """Return curves that go in steps; `title` is for whoever does not see it."""
    points = [point for curve in curves for point in curve.points]
    x_top = max((x for x, _ in points), default=0.0) or 1.0
    y_top = max([*(y for _, y in points), mark.y if mark else 0.0]) or 1.0
    body = [_axes(x_name, x_top, y_top)]
    for place, curve in enumerate(curves):
        body.append(f'<path class="curve" stroke="{COLOURS[place]}" d="{_path(curve, x_top, y_top)}"/>')
        body.append(
            f'<text x="{LEFT + 12}" y="{TOP + 16 + 18 * place}" fill="{COLOURS[place]}">{escape(curve.name)}</text>'
        )
    if mark is not None:
        y = _y(mark.y, y_top)
        body.append(f'<path class="mark" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        body.append(f'<text x="{WIDTH - RIGHT}" y="{y - 5:.1f}" text-anchor="end">{escape(mark.name)}</text>')
    return _svg(title, HEIGHT, body)


def bars(title: str, counts: Mapping[str, int]) -> str:
    """Return a bar for each name."""
    most = max(counts.values(), default=0) or 1
    body = []
    for place, (name, count) in enumerate(counts.items()):
        y, width = ROW * place, (WIDTH - 330) * count / most
        body.append(f'<text x="210" y="{y + 19}" text-anchor="end">{escape(name)}</text>')
        body.append(f'<rect x="220" y="{y + 4}" width="{max(width, 1):.1f}" height="{ROW - 8}" fill="{COLOURS[0]}"/>')
        body.append(f'<text x="{228 + width:.1f}" y="{y + 19}">{count:,}</text>')
    return _svg(title, ROW * len(counts), body)


def _svg(title: str, height: int, body: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(body)}</svg>'


def _axes(x_name: str, x_top: float, y_top: float) -> str:
    ground = HEIGHT - BELOW
    parts = [f'<path class="axis" d="M{LEFT} {TOP}V{ground}H{WIDTH - RIGHT}"/>']
    for share in (0, 0.5, 1):
        x, y = LEFT + share * (WIDTH - LEFT - RIGHT), _y(share * y_top, y_top)
        parts.append(f'<text x="{x:.0f}" y="{ground + 18}" text-anchor="middle">{share * x_top:,.4g}</text>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{share * y_top:,.4g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    return "".join([*parts, f'<text x="{middle:.0f}" y="{ground + 38}" text-anchor="middle">{escape(x_name)}</text>'])


def _y(value: float, top: float) -> float:
    return HEIGHT - BELOW - (HEIGHT - BELOW - TOP) * value / top


def _path(curve: Curve, x_top: float, y_top: float) -> str:
    every = -(-len(curve.points) // MOST_POINTS) or 1
    kept = [*curve.points[::every], *curve.points[-1:]]
    parts = [f"M{LEFT} {_y(0, y_top):.1f}"]
    for x, y in kept:
        parts.append(f"H{LEFT + (WIDTH - LEFT - RIGHT) * x / x_top:.1f}V{_y(y, y_top):.1f}")
    return "".join(parts)
