"""The panels of Grafana's dashboards: titles, units and queries. dashboards.py writes them in Grafana's format."""

from __future__ import annotations

from typing import Final, NamedTuple


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
