"""What Prometheus scrapes about the whole system: lag, business lag, dead letters and readiness, made from the latest looks.

Nothing is kept between scrapes, so a group that has vanished has no series left. Names and labels are those of
kafka-lag-exporter and kafka_exporter, so that their dashboards and alerts work, and klag-exporter's for the exporter's own
health; what they have no name for begins with `lastunit_`. A partition that could not be measured keeps its latest figures:
`lastunit_lag_unknown_partitions` counts it, and `lastunit_lag_measured_timestamp_seconds` is as old as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from consumers.lag.model import Flag, GroupLag, LagReport, PartitionLag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Metric

    from infra.ops.business.measure import BusinessLag, Demand
    from infra.ops.status import Process
    from infra.ops.stock import Level

CLUSTER: Final = "lastunit"
"""The value of kafka-lag-exporter's label cluster_name."""

_PARTITION: Final = ("cluster_name", "group", "topic", "partition", "member_host", "client_id")
_GROUP: Final = ("cluster_name", "group")
_TOPIC: Final = ("cluster_name", "topic", "partition")
_EXPORTER: Final = ("consumergroup", "topic", "partition")


class Observed(msgspec.Struct, kw_only=True):
    """The latest look at each part of the system; None before the first. Times are ms since the epoch, UTC."""

    lag: LagReport | None = None
    lag_updated_ms: int = 0
    """When the cluster last answered."""
    business: BusinessLag | None = None
    open_letters: dict[str, int] | None = None
    demand: list[Demand] = []
    levels: list[Level] = []
    """Of the SKUs in demand."""
    processes: list[Process] = []


class SystemCollector(Collector):
    """Turns what was observed last into metrics."""

    def __init__(self, observed: Callable[[], Observed]) -> None:
        self._observed = observed

    def describe(self) -> Iterable[Metric]:
        """Return nothing: names differ with what there is, and registering must not scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every family that something is known about."""
        observed = self._observed()
        yield from _health(observed)
        if observed.lag is not None:
            yield from _groups(observed.lag)
            yield from _partitions(observed.lag)
            yield from _logs(observed.lag)
        if observed.business is not None:
            yield from _business(observed.business)
        yield from _demand(observed.demand, observed.levels)
        if observed.open_letters is not None:
            letters = GaugeMetricFamily(
                "lastunit_dead_letters_open", "Dead letters that nobody handled", labels=["reason"]
            )
            for reason, count in observed.open_letters.items():
                letters.add_metric([reason], count)
            yield letters
        ready = GaugeMetricFamily(
            "lastunit_ready", "Whether a process here is ready, 1 or 0", labels=["process", "pid"]
        )
        for process in observed.processes:
            ready.add_metric([process.process, str(process.pid)], process.ready and process.alive)
        yield ready


def _health(observed: Observed) -> Iterator[Metric]:
    lag = observed.lag
    yield GaugeMetricFamily("kafka_lag_exporter_up", "Whether the cluster answers, 1 or 0", bool(lag and lag.up))
    yield GaugeMetricFamily(
        "kafka_lag_exporter_last_update_timestamp_seconds", "When it last answered", observed.lag_updated_ms / 1000
    )
    if lag is not None:
        yield GaugeMetricFamily(
            "kafka_lag_exporter_scrape_duration_seconds", "How long the latest look took", lag.look_seconds
        )


def _groups(report: LagReport) -> Iterator[Metric]:
    most = GaugeMetricFamily("kafka_consumergroup_group_max_lag", "Largest lag of a partition, offsets", labels=_GROUP)
    longest = GaugeMetricFamily(
        "kafka_consumergroup_group_max_lag_seconds", "Age of the oldest waiting record", labels=_GROUP
    )
    total = GaugeMetricFamily("kafka_consumergroup_group_sum_lag", "Lag of all partitions, offsets", labels=_GROUP)
    state = GaugeMetricFamily("kafka_consumergroup_group_state", "1 for the group's state", labels=[*_GROUP, "state"])
    members = GaugeMetricFamily("kafka_consumergroup_members", "Members of the group", labels=["consumergroup"])
    unknown = GaugeMetricFamily(
        "lastunit_lag_unknown_partitions", "Partitions that the latest look could not measure", labels=["group", "ours"]
    )
    measured = GaugeMetricFamily(
        "lastunit_lag_measured_timestamp_seconds", "Age of the group's oldest figures", labels=["group"]
    )
    for group in report.groups:
        labels = [CLUSTER, group.group]
        lags = [part.lag for part in _counted(group) if part.lag is not None]
        if lags:
            most.add_metric(labels, max(lags))
            total.add_metric(labels, sum(lags))
        if group.time_lag_ms is not None:
            longest.add_metric(labels, group.time_lag_ms / 1000)
        state.add_metric([*labels, group.state], 1)
        members.add_metric([group.group], group.members)
        unknown.add_metric([group.group, str(group.ours).lower()], group.unknown)
        read = [part.as_of_ms for part in group.partitions if part.as_of_ms is not None]
        if read:
            measured.add_metric([group.group], min(read) / 1000)
    yield from (most, longest, total, state, members, unknown, measured)


def _partitions(report: LagReport) -> Iterator[Metric]:
    lag = GaugeMetricFamily("kafka_consumergroup_group_lag", "Lag, offsets", labels=_PARTITION)
    seconds = GaugeMetricFamily(
        "kafka_consumergroup_group_lag_seconds", "Age of the first waiting record", labels=_PARTITION
    )
    offset = GaugeMetricFamily("kafka_consumergroup_group_offset", "Position that counts", labels=_PARTITION)
    same_lag = GaugeMetricFamily("kafka_consumergroup_lag", "Lag, offsets", labels=_EXPORTER)
    committed = GaugeMetricFamily("kafka_consumergroup_current_offset", "Offset committed to Kafka", labels=_EXPORTER)
    verdict = GaugeMetricFamily(
        "lastunit_lag_verdict", "1 for the verdict", labels=["group", "topic", "partition", "ours", "verdict"]
    )
    for group in report.groups:
        for part in group.partitions:
            client, _, host = (part.owner or "").partition(" at ")
            labels = [CLUSTER, group.group, part.topic, str(part.partition), host, client]
            exporter = labels[1:4]
            if part.lag is not None and Flag.ABANDONED not in part.flags:
                lag.add_metric(labels, part.lag)
                same_lag.add_metric(exporter, part.lag)
            if part.time_lag_ms is not None and Flag.ABANDONED not in part.flags:
                seconds.add_metric(labels, part.time_lag_ms / 1000)
            if (position := part.decided if part.decided is not None else part.committed) is not None:
                offset.add_metric(labels, position)
            if part.committed is not None:
                committed.add_metric(exporter, part.committed)
            if part.verdict is not None:
                verdict.add_metric([*exporter, str(group.ours).lower(), part.verdict], 1)
    yield from (lag, seconds, offset, same_lag, committed, verdict)


def _logs(report: LagReport) -> Iterator[Metric]:
    first = GaugeMetricFamily("kafka_partition_earliest_offset", "First offset of the log", labels=_TOPIC)
    last = GaugeMetricFamily("kafka_partition_latest_offset", "Offset of the next record", labels=_TOPIC)
    logs = {
        (part.topic, part.partition): (part.log_start, part.log_end)
        for group in report.groups
        for part in group.partitions
        if part.log_start is not None and part.log_end is not None
    }
    for (topic, partition), (start, end) in sorted(logs.items()):
        first.add_metric([CLUSTER, topic, str(partition)], start or 0)
        last.add_metric([CLUSTER, topic, str(partition)], end or 0)
    yield from (first, last)


def _business(business: BusinessLag) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("lastunit_waiting", "Orders that wait in a state", labels=["axis", "state"])
    oldest = GaugeMetricFamily(
        "lastunit_waiting_oldest_seconds", "How long the longest waits", labels=["axis", "state"]
    )
    for orders in business.waiting:
        waiting.add_metric([orders.axis, orders.state], orders.count)
        oldest.add_metric([orders.axis, orders.state], (business.at_ms - orders.oldest_ms) / 1000)
    overdue = GaugeMetricFamily("lastunit_deadlines_overdue", "Deadlines over and not ended", labels=["room"])
    for late in business.past_deadline:
        overdue.add_metric([late.room], late.count)
    outbox = GaugeMetricFamily("lastunit_outbox_batches", "Batches committed and not published", labels=["room"])
    for room, blobs in business.outbox.items():
        outbox.add_metric([room], blobs)
    attempts = GaugeMetricFamily("lastunit_attempts_unconfirmed", "Operations of unknown outcome", labels=["kind"])
    longest = GaugeMetricFamily("lastunit_attempts_unconfirmed_oldest_seconds", "Age of the oldest", labels=["kind"])
    for operation in business.unconfirmed:
        attempts.add_metric([operation.kind], operation.count)
        longest.add_metric([operation.kind], (business.at_ms - operation.oldest_ms) / 1000)
    yield from (waiting, oldest, overdue, outbox, attempts, longest)
    yield GaugeMetricFamily("lastunit_holds_expiring", "Holds that end within a minute", business.holds_expiring)
    yield GaugeMetricFamily("lastunit_holds_expired", "Holds over and not ended", business.holds_expired)
    yield GaugeMetricFamily("lastunit_webhooks_parked", "Webhooks that nobody took", business.parked_webhooks)
    yield GaugeMetricFamily("lastunit_business_timestamp_seconds", "When this was measured", business.at_ms / 1000)


def _demand(demand: list[Demand], levels: list[Level]) -> Iterator[Metric]:
    """Yield what is known of the SKUs that are wanted most: a series of each SKU would be one without end."""
    lines = GaugeMetricFamily("lastunit_demand_lines", "Lines answered within a minute", labels=["sku"])
    units = GaugeMetricFamily("lastunit_demand_units", "Units reserved within a minute", labels=["sku"])
    sold_out = GaugeMetricFamily("lastunit_demand_sold_out", "Lines refused within a minute", labels=["sku"])
    for sku_demand in demand:
        lines.add_metric([sku_demand.sku], sku_demand.lines)
        units.add_metric([sku_demand.sku], sku_demand.units)
        sold_out.add_metric([sku_demand.sku], sku_demand.sold_out)
    stock = GaugeMetricFamily("lastunit_stock_units", "Units of a SKU in demand", labels=["sku", "where"])
    for level in levels:
        for where in ("available", "reserved", "allocated", "quarantined"):
            stock.add_metric([level.sku, where], getattr(level, where))
    yield from (lines, units, sold_out, stock)


def _counted(group: GroupLag) -> list[PartitionLag]:
    return [part for part in group.partitions if Flag.ABANDONED not in part.flags]
