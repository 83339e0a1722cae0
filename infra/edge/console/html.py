"""From what was observed to HTML. Everything is escaped by the templates' engine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from consumers.lag.model import State, Verdict
from infra.base.spans import age, moment
from infra.edge.console.plotting import svg_of

if TYPE_CHECKING:
    from consumers.lag.model import GroupLag, PartitionLag
    from infra.edge.console.watching import Watch
    from infra.ops.business.measure import BusinessLag

HEAT_MS: Final = (1, 1_000, 5_000, 15_000, 60_000)
"""Time lags from which a cell of the heat strip is one step warmer."""
LETTERS_SHOWN: Final = 10
PROBLEMS_SHOWN: Final = 3
"""The rest is folded away, so that the flow of orders stays in sight on a telephone."""

_environment: Final = Environment(
    loader=PackageLoader("infra.edge.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "age": age,
    "moment": lambda at_ms: moment(at_ms)[:19],
    "segment": lambda text: quote(text, safe=""),
}


class Cell(NamedTuple):
    """One partition on the heat strip."""

    heat: str
    text: str


class FlowStage(NamedTuple):
    """One step of an order's way: how many wait there, and the longest wait in ms (None where nothing does)."""

    name: str
    room: str
    orders: int
    oldest_ms: int | None


STEPS: Final = (
    ("reserving", "inventory", "order", "pending"),
    ("authorising", "payments", "order", "reserved"),
    ("committing", "inventory", "order", "committing"),
    ("capturing", "payments", "order", "placed"),
    ("shipping", "fulfilment", "fulfilment", "open"),
    ("delivering", "fulfilment", "fulfilment", "shipped"),
)
"""The way of an order: what happens there, which room does it, and the state in which orders wait for it."""


def render(template: str, **values: Any) -> bytes:
    """Return one template with its values as HTML."""
    return _environment.get_template(template).render(**values).encode()


def overview_values(watch: Watch) -> dict[str, Any]:
    """Return what the overview shows."""
    observed = watch.observed
    groups = observed.lag.groups if observed.lag else []
    now_ms = time.time_ns() // 1_000_000
    return {
        "is_ready": watch.is_ready,
        "problems": watch.problems[:PROBLEMS_SHOWN],
        "more_problems": watch.problems[PROBLEMS_SHOWN:],
        "hottest": observed.demand[0].sku if observed.demand else "",
        "groups": [
            (group, [_cell(part) for part in group.partitions])
            for group in sorted(groups, key=lambda group: not group.ours)
        ],
        "now_ms": now_ms,
        "steps": _steps(observed.business) if observed.business else [],
        "business": observed.business,
        "demand": watch.observed.demand,
        "letters": [letter for letter in watch.letters if letter.state == "open"][-LETTERS_SHOWN:],
        "open_letters": observed.open_letters or {},
        "processes": observed.processes,
        "chart": svg_of(watch.history.lag_of_groups(now_ms, watch.own_groups)),
        "longest": _longest(groups),
    }


def _cell(part: PartitionLag) -> Cell:
    where = f"{part.topic}/{part.partition}"
    if part.state is State.UNKNOWN:
        return Cell("unknown", f"{where}: unknown")
    if part.state is State.NO_COMMIT:
        return Cell("none", f"{where}: no commit")
    text = f"{where}: {part.lag} behind, {age(part.time_lag_ms)}, {part.verdict or 'abandoned'}"
    if part.why:
        text += f", {part.why}"
    if part.verdict is Verdict.PAUSED:
        return Cell("paused", text)
    if part.verdict in {Verdict.STALL, Verdict.STOP, Verdict.REWIND}:
        return Cell("bad", text)
    return Cell(str(sum((part.time_lag_ms or 0) >= step for step in HEAT_MS)), text)


def _steps(business: BusinessLag) -> list[FlowStage]:
    waiting = {(orders.axis, orders.state): orders for orders in business.waiting}
    steps = []
    for name, room, axis, state in STEPS:
        orders = waiting.get((axis, state))
        steps.append(
            FlowStage(name, room, orders.count if orders else 0, business.at_ms - orders.oldest_ms if orders else None)
        )
    return steps


def _longest(groups: list[GroupLag]) -> int:
    return max((group.time_lag_ms or 0 for group in groups if group.ours), default=0)
