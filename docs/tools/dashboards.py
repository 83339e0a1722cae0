"""Writes Grafana's dashboards (infra/deploy/grafana) from the panels of dashboard_panels.py: python -m docs.tools.dashboards [--check].

tests/stack/test_dashboards.py runs every query against a Prometheus that scrapes a system at work.
"""

from __future__ import annotations

import sys
from pathlib import Path
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueGraphMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from docs.tools.dashboard_panels import BOARDS

if TYPE_CHECKING:
    from docs.tools.dashboard_panels import Board, Panel, Query

FOLDER: Final = Path(__file__).parents[2] / "infra" / "deploy" / "grafana"
HEIGHT: Final = 8
BIG: Final = 6
"""Width of a single figure; a chart takes two of them."""


def written() -> dict[str, str]:
    """Return each dashboard's file name with its JSON."""
    return {f"{name}.json": _json(name, board) for name, board in BOARDS.items()}


def _json(name: str, board: Board) -> str:
    built = (
        dashboard.Dashboard(board.title)
        .uid(f"lastunit-{name}")
        .tags(["lastunit"])
        .refresh("5s")
        .time("now-30m", "now")
        .timezone("utc")
        .with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    )
    if board.variable is not None:
        label, values = board.variable
        built = built.with_variable(dashboard.QueryVariable(label).label(label).datasource(_source()).query(values))
    for panel in board.panels:
        built = built.with_panel(_figure(panel) if panel.is_figure else _chart(panel))
    return JSONEncoder(sort_keys=True, indent=2).encode(built.build()) + "\n"


def _figure(panel: Panel) -> stat.Panel:
    figure = stat.Panel().title(panel.title).unit(panel.unit).datasource(_source()).span(BIG).height(HEIGHT // 2)
    figure = figure.graph_mode(BigValueGraphMode.AREA)
    for place, query in enumerate(panel.queries):
        figure = figure.with_target(_target(query, place))
    return figure


def _chart(panel: Panel) -> timeseries.Panel:
    chart = timeseries.Panel().title(panel.title).unit(panel.unit).datasource(_source()).span(2 * BIG).height(HEIGHT)
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)
    chart = chart.min(0).legend(legend)
    for place, query in enumerate(panel.queries):
        chart = chart.with_target(_target(query, place))
    return chart


def _target(query: Query, place: int) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(ascii_uppercase[place])
    return target.exemplar(True) if query.expression.startswith("histogram_quantile") else target


def _source() -> DataSourceRef:
    return DataSourceRef(type_val="prometheus", uid="$source")


def main() -> int:
    """Write what differs; with --check name it and end with 1."""
    stale = [name for name, text in written().items() if _text(FOLDER / name) != text]
    if "--check" in sys.argv[1:]:
        for name in stale:
            sys.stderr.write(f"infra/deploy/grafana/{name} is stale: python -m docs.tools.dashboards\n")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(written()[name], encoding="utf-8")
    return 0


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
