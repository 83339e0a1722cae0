"""A demo's run as one HTML file that needs nothing else: the race, the orders under way, how they ended, what holds."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from infra.local.demo.drawing import Curve, Mark, bars, steps
from infra.local.demo.report import sentence_of, story

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from infra.local.demo.inputs import Race
    from infra.local.demo.log import Claim, LogFigures
    from infra.local.demo.result import Result

NAME: Final = "demo.html"
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #22262b; --soft: #5a626b; --ground: #fbfaf7; --card: #fff; --good: #1f6b3a; --bad: #a3161b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e7e2; --soft: #aab1b9; --ground: #16191d; --card: #dfe3e8; --good: #7fd49a; --bad: #ff8f88; } }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--ground); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: .95rem/1.5 ui-monospace, monospace; }
svg { width: 100%; height: auto; background: var(--card); border-radius: .4rem; } svg text { font: 13px system-ui, sans-serif; }
.curve { fill: none; stroke-width: 2; } .axis { fill: none; stroke: #888; } .mark { stroke: #888; stroke-dasharray: 5 4; }
ul { list-style: none; padding: 0; columns: 2 20rem; } .good::before { content: "✓ "; color: var(--good); }
.bad { color: var(--bad); font-weight: 600; } .bad::before { content: "✗ "; } p { color: var(--soft); }
"""


def write_page(folder: Path, race: Race, result: Result, log: LogFigures) -> Path:
    """Write the page into a folder in the place of the one before, and return its path. Raises OSError."""
    path = folder / NAME
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(page_of(race, result, log), encoding="utf-8")
    return path


def page_of(race: Race, result: Result, log: LogFigures) -> str:
    """Return the page. Pure."""
    return "".join(
        [
            '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Lastunit demo: {escape(race.title)}</title><style>{_STYLE}</style></head>\n<body>\n",
            f"<h1>{escape(race.title)}</h1>\n<pre>{escape(chr(10).join(story(race, result)))}</pre>\n",
            *_pictures(result, log),
            f"<h2>What holds</h2>\n<ul>{''.join(map(_promise, result.invariants.items()))}</ul>\n",
            *(f'<p class="bad">{escape(breach)}</p>\n' for breach in result.breaches),
            "</body>\n</html>\n",
        ]
    )


def _pictures(result: Result, log: LogFigures) -> Iterator[str]:
    if result.flash_sale is not None and log.claims:
        sale = result.flash_sale
        yield f"<h2>The race for {escape(sale.sku)}</h2>\n"
        yield steps(
            "The race",
            "lines decided, in the order of its partition",
            _race(log.claims),
            Mark("units there", sale.stock),
        )
        yield "\n<p>Reserved units may come back: an order that fails at another line or at the card gives them back.</p>\n"
    if log.times:
        yield "<h2>Orders placed and not final</h2>\n"
        yield steps("Orders under way", "seconds since the first", [Curve("orders under way", under_way(log.times))])
    yield f"\n<h2>How orders ended</h2>\n{bars('How orders ended', _ends(result))}\n"


def _race(claims: Sequence[Claim]) -> list[Curve]:
    reserved, refused, reserved_at, refused_at = 0, 0, [], []
    for place, claim in enumerate(claims, start=1):
        if claim.available is None:
            reserved += claim.quantity
        else:
            refused += 1
        reserved_at.append((float(place), float(reserved)))
        refused_at.append((float(place), float(refused)))
    return [Curve("units reserved, in all", reserved_at), Curve("orders refused, in all", refused_at)]


def under_way(times: Mapping[str, tuple[int, int]]) -> list[tuple[float, float]]:
    """Return how many orders were placed and not final: (seconds since the first was placed, orders) at each change."""
    changes = sorted([(placed, 1) for placed, _ in times.values()] + [(final, -1) for _, final in times.values()])
    began, orders, points = changes[0][0], 0, []
    for at_ms, change in changes:
        orders += change
        points.append(((at_ms - began) / 1000, float(orders)))
    return points


def _ends(result: Result) -> dict[str, int]:
    reasons = {f"rejected: {name.replace('_', ' ')}": count for name, count in result.rejected_by_reason.items()}
    return {name: count for name, count in result.states.items() if name != "rejected" or not reasons} | reasons


def _promise(item: tuple[str, bool]) -> str:
    name, holds = item
    return f'<li class="{"good" if holds else "bad"}">{escape(sentence_of(name, holds=holds))}</li>'
