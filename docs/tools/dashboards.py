"""Writes Grafana's dashboards (infra/deploy/grafana) from the panels that stand here: python -m docs.tools.dashboards [--check].

tests/stack/test_dashboards.py runs every query against a Prometheus that scrapes a system at work.
"""

from __future__ import annotations

import sys
from pathlib import Path
from string import ascii_uppercase
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.common import VizLegendOptions
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueGraphMode, LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FOLDER: Final = Path(__file__).parents[2] / "infra" / "deploy" / "grafana"
HEIGHT: Final = 8
BIG: Final = 6
"""Width of a single figure; a chart takes two of them."""


class Query(NamedTuple):
    """One query of PromQL, and how its series are called."""

    expression: str
    legend: str = ""


class Panel(NamedTuple):
    """A chart, or a single figure where `is_figure`. `unit` is Grafana's name of it."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    is_figure: bool = False


class Board(NamedTuple):
    """One dashboard; with `variable` it is about one value of a label, (name, query)."""

    title: str
    panels: tuple[Panel, ...]
    variable: tuple[str, str] | None = None


def _p99(metric: str, by: str) -> str:
    return f"histogram_quantile(0.99, sum by ({by}, le) (rate({metric}_bucket[$__rate_interval])))"


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))"


_DELAY: Final = Panel(
    "Append to durable, 99 % of batches", "s", (Query(_p99("lastunit_room_delay_seconds", "room"), "{{room}}"),)
)
_VERDICTS: Final = Panel(
    "Partitions of our rooms by verdict",
    "none",
    (Query('sum by (verdict) (lastunit_lag_verdict{ours="true"})', "{{verdict}}"),),
)
_WAITING: Final = Query('sum by (state) (lastunit_waiting{axis="order"}) or vector(0)', "{{state}}")

BOARDS: Final = {
    "overview": Board(
        "Lastunit: overview",
        (
            Panel(
                "Lines decided",
                "ops",
                (Query('sum(rate(lastunit_room_records_total{room="inventory"}[$__rate_interval]))'),),
                True,
            ),
            Panel("Longest wait of a record", "s", (Query("max(kafka_consumergroup_group_max_lag_seconds)"),), True),
            Panel("Open dead letters", "none", (Query("sum(lastunit_dead_letters_open) or vector(0)"),), True),
            Panel("Processes not ready", "none", (Query("count(lastunit_ready == 0) or vector(0)"),), True),
            Panel("Records decided", "ops", (Query(_rate("lastunit_room_records_total", "room"), "{{room}}"),)),
            _DELAY,
            Panel("Orders that wait", "none", (_WAITING,)),
            Panel(
                "Batches that did not become durable",
                "ops",
                (
                    Query(
                        f"({_rate('lastunit_batch_failures_total', 'reader, kind')}) or vector(0)",
                        "{{reader}} {{kind}}",
                    ),
                ),
            ),
            Panel(
                "Requests",
                "reqps",
                (
                    Query(
                        _rate("lastunit_http_request_seconds_count", "application, status"),
                        "{{application}} {{status}}",
                    ),
                ),
            ),
            Panel(
                "Until an answer began, 99 %",
                "s",
                (Query(_p99("lastunit_http_request_seconds", "application, route"), "{{application}} {{route}}"),),
            ),
            Panel(
                "CPU of each process",
                "percentunit",
                (Query("rate(process_cpu_seconds_total[$__rate_interval])", "{{process}} {{worker}}"),),
            ),
            Panel(
                "Memory of each process", "bytes", (Query("process_resident_memory_bytes", "{{process}} {{worker}}"),)
            ),
        ),
    ),
    "lag": Board(
        "Lastunit: lag",
        (
            Panel("Time lag", "s", (Query("kafka_consumergroup_group_max_lag_seconds", "{{group}}"),)),
            Panel("Lag, records", "none", (Query("kafka_consumergroup_group_sum_lag", "{{group}}"),)),
            Panel(
                "The ten partitions that wait longest",
                "s",
                (Query("topk(10, kafka_consumergroup_group_lag_seconds)", "{{group}} {{topic}}/{{partition}}"),),
            ),
            _VERDICTS,
            Panel(
                "Written",
                "ops",
                (Query("sum by (topic) (rate(kafka_partition_latest_offset[$__rate_interval]))", "{{topic}}"),),
            ),
            Panel(
                "Read",
                "ops",
                (Query("sum by (group) (rate(kafka_consumergroup_group_offset[$__rate_interval]))", "{{group}}"),),
            ),
            Panel("Members", "none", (Query("kafka_consumergroup_members", "{{consumergroup}}"),)),
            Panel(
                "Partitions that could not be measured",
                "none",
                (Query("sum by (group) (lastunit_lag_unknown_partitions)", "{{group}}"),),
            ),
        ),
    ),
    "sku": Board(
        "Lastunit: one SKU",
        (
            Panel("Available", "none", (Query('lastunit_stock_units{sku="$sku", where="available"}'),), True),
            Panel("Lines within a minute", "none", (Query('lastunit_demand_lines{sku="$sku"}'),), True),
            Panel("Refused within a minute", "none", (Query('lastunit_demand_sold_out{sku="$sku"}'),), True),
            Panel("Units sold within a minute", "none", (Query('lastunit_demand_units{sku="$sku"}'),), True),
            Panel("Its units", "none", (Query('lastunit_stock_units{sku="$sku"}', "{{where}}"),)),
            Panel(
                "Demand within a minute",
                "none",
                (
                    Query('lastunit_demand_lines{sku="$sku"}', "lines"),
                    Query('lastunit_demand_sold_out{sku="$sku"}', "refused"),
                ),
            ),
            Panel("The SKUs that are wanted most", "none", (Query("topk(10, lastunit_demand_lines)", "{{sku}}"),)),
        ),
        ("sku", "label_values(lastunit_demand_lines, sku)"),
    ),
    "flow": Board(
        "Lastunit: order flow",
        (
            Panel("Orders that wait", "none", (_WAITING,)),
            Panel(
                "The longest wait",
                "s",
                (
                    Query(
                        'max by (state) (lastunit_waiting_oldest_seconds{axis=~"order|fulfilment"}) or vector(0)',
                        "{{state}}",
                    ),
                ),
            ),
            Panel(
                "Goods that wait",
                "none",
                (Query('sum by (state) (lastunit_waiting{axis="fulfilment"}) or vector(0)', "{{state}}"),),
            ),
            Panel(
                "Deadlines over and not ended",
                "none",
                (Query("sum by (room) (lastunit_deadlines_overdue) or vector(0)", "{{room}}"),),
            ),
            Panel(
                "Holds",
                "none",
                (
                    Query("lastunit_holds_expiring", "end within a minute"),
                    Query("lastunit_holds_expired", "over and not ended"),
                ),
            ),
            Panel(
                "Batches not published",
                "none",
                (Query("sum by (room) (lastunit_outbox_batches) or vector(0)", "{{room}}"),),
            ),
            _DELAY,
            Panel(
                "Records in a batch, mean",
                "none",
                (
                    Query(
                        "rate(lastunit_batch_records_sum[$__rate_interval]) / rate(lastunit_batch_records_count[$__rate_interval])",
                        "{{reader}}",
                    ),
                ),
            ),
            Panel("A step until durable, 99 %", "s", (Query(_p99("lastunit_room_step_seconds", "room"), "{{room}}"),)),
            Panel(
                "CPU of deciding", "percentunit", (Query(_rate("lastunit_room_cpu_seconds_total", "room"), "{{room}}"),)
            ),
            Panel("Committing, 99 %", "s", (Query(_p99("lastunit_batch_commit_seconds", "reader"), "{{reader}}"),)),
        ),
    ),
    "money": Board(
        "Lastunit: money",
        (
            Panel(
                "Payments that need somebody",
                "none",
                (Query('sum(lastunit_waiting{axis="payment", state!="requires_action"}) or vector(0)'),),
                True,
            ),
            Panel(
                "Customers who have to confirm",
                "none",
                (Query('sum(lastunit_waiting{axis="payment", state="requires_action"}) or vector(0)'),),
                True,
            ),
            Panel(
                "Operations without an answer",
                "none",
                (Query("sum(lastunit_attempts_unconfirmed) or vector(0)"),),
                True,
            ),
            Panel("Webhooks that nobody took", "none", (Query("lastunit_webhooks_parked"),), True),
            Panel(
                "Payments that wait",
                "none",
                (Query('sum by (state) (lastunit_waiting{axis="payment"}) or vector(0)', "{{state}}"),),
            ),
            Panel(
                "Operations without an answer",
                "none",
                (Query("sum by (kind) (lastunit_attempts_unconfirmed) or vector(0)", "{{kind}}"),),
            ),
            Panel(
                "The oldest of them",
                "s",
                (Query("max by (kind) (lastunit_attempts_unconfirmed_oldest_seconds) or vector(0)", "{{kind}}"),),
            ),
            Panel(
                "Records of payments",
                "ops",
                (
                    Query(
                        'rate(lastunit_room_records_total{room="payments"}[$__rate_interval])', "{{process}} {{worker}}"
                    ),
                ),
            ),
        ),
    ),
}


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
    return prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(ascii_uppercase[place])


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
