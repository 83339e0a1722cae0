"""What one process counts of its own work, and serves to Prometheus at /metrics: batches of its rooms, requests by route.

Everything is counted once a batch or once a request, never once a record. Where traces are exported, an observation names the
trace of what it measured as its exemplar, for whoever asks for OpenMetrics. A thread of its own answers Prometheus, so that a
process whose loop is busy or stuck is seen.
"""

from __future__ import annotations

import time
from collections import Counter as Counted
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from consumers.runtime.meter import Failure, Meter
from consumers.runtime.room_costs import STEP_SECONDS
from infra.base.errors import SettingsError
from producers.tracing import IS_ON, TRACES, current_trace_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prometheus_client import Metric

    from consumers.runtime.deciding.batch import PartitionBatch
    from consumers.runtime.room import Room
    from consumers.runtime.room_costs import RoomCosts

log = structlog.get_logger()

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
RECORDS: Final = (1, 5, 20, 100, 500, 1_000, 2_000, 5_000, 10_000)
UNKNOWN_ROUTE: Final = "none"
"""Stands for all paths that no route serves: they are the client's choice, and without end."""


class ProcessMetrics:
    """The registry of one process; `port` is where it is served, 0 while it is not."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.port = 0
        self._families: RoomFamilies | None = None
        ProcessCollector(registry=self.registry)

    def meter_of(self, rooms: Sequence[Room[Any]]) -> RoomMetrics:
        """Return what counts the batches of rooms that share a reader."""
        if self._families is None:
            self._families = RoomFamilies(self.registry)
        return RoomMetrics(self._families, "+".join(room.name for room in rooms))

    def serve(self, host: str, port: int) -> None:
        """Serve it from now on; port 0 takes any free one. Raises SettingsError where the address cannot be had."""
        try:
            server, _ = start_http_server(port, host, self.registry)
        except OSError as error:
            raise SettingsError(
                f"LASTUNIT_METRICS_HOST={host} and LASTUNIT_METRICS_PORT={port} cannot be listened at ({error}): "
                "name an address of this machine and a free port, or port 0."
            ) from error
        self.port = server.server_port
        log.info("metrics_listen", address=f"http://{host}:{self.port}/metrics")


class RoomFamilies:
    """The families of rooms, each once for a process, however many readers it has."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.commit = Histogram(
            "lastunit_batch_commit_seconds", "The statement of a batch", ["reader"], buckets=SECONDS, registry=registry
        )
        self.size = Histogram(
            "lastunit_batch_records", "Offsets decided by a batch", ["reader"], buckets=RECORDS, registry=registry
        )
        self.failures = Counter(
            "lastunit_batch_failures",
            "Batches or parts that did not become durable",
            ["reader", "kind"],
            registry=registry,
        )
        self.records = Counter(
            "lastunit_room_records", "Offsets that became durable as decided", ["room"], registry=registry
        )
        self.delay = Histogram(
            "lastunit_room_delay_seconds",
            "From the append of a batch's last record until it was durable",
            ["room"],
            buckets=SECONDS,
            registry=registry,
        )


class RoomMetrics(Meter):
    """Counts the batches of one reader and its rooms. `reader` is the name of their consumer group."""

    def __init__(self, families: RoomFamilies, reader: str) -> None:
        self._commit = families.commit.labels(reader)
        self._size = families.size.labels(reader)
        self._families, self._reader = families, reader

    @override
    def committed(self, parts: Sequence[PartitionBatch[Any]], seconds: float) -> None:
        now_ms = time.time() * 1000
        total, latest = 0, _exemplar("")
        for part in parts:
            records = part.new_offset - part.old_offset
            total += records
            self._families.records.labels(part.room.name).inc(records)
            if part.outputs:  # else the room may have passed over its records a while ago
                exemplar = _exemplar(TRACES.trace_id_of(part.outputs)) if IS_ON else None
                self._families.delay.labels(part.room.name).observe(max(0.0, now_ms - part.at_ms) / 1000, exemplar)
                latest = exemplar or latest
        self._commit.observe(seconds, latest)
        self._size.observe(total)

    @override
    def failed(self, failure: Failure) -> None:
        self._families.failures.labels(self._reader, failure).inc()


class CostCollector(Collector):
    """Turns what each owner has counted of its rooms (`owner.costs`) into metrics."""

    def __init__(self, costs: Sequence[RoomCosts]) -> None:
        self._costs = costs

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering must not scrape."""
        return ()

    @override
    def collect(self) -> Iterator[Metric]:
        cpu = CounterMetricFamily("lastunit_room_cpu_seconds", "CPU of deciding", labels=["room"])
        steps = HistogramMetricFamily(
            "lastunit_room_step_seconds", "From taking a step's records until it is durable", labels=["room"]
        )
        bounds = [*map(str, STEP_SECONDS), "+Inf"]
        for room, cost in (room_cost for costs in self._costs for room_cost in costs.by_room.items()):
            cpu.add_metric([room], cost.cpu_seconds)
            steps.add_metric([room], list(zip(bounds, accumulate(cost.within), strict=True)), cost.step_seconds)
        misrouted = CounterMetricFamily(
            "lastunit_misrouted_records", "Records in a partition where their key does not belong", labels=["topic"]
        )
        for topic, count in self._misrouted().items():
            misrouted.add_metric([topic], count)
        yield from (cpu, steps, misrouted)

    def _misrouted(self) -> Counted[str]:
        """Return how many records of each topic the rooms met in a wrong partition; several rooms may read one topic."""
        total: Counted[str] = Counted()
        for costs in self._costs:
            total.update(costs.misrouting.count)
        return total


class RequestMetrics:
    """Counts HTTP requests by route, until their answer begins: rate, errors and duration."""

    def __init__(self, registry: CollectorRegistry, application: str) -> None:
        self._application = application
        self._of_answers: dict[tuple[str, str, int], Histogram] = {}
        self._seconds = Histogram(
            "lastunit_http_request_seconds",
            "From a request's head until its answer began",
            ["application", "method", "route", "status"],
            buckets=SECONDS,
            registry=registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one answer; `route` is the path with the names of its parameters."""
        kind = (method, route, status)
        if (histogram := self._of_answers.get(kind)) is None:
            histogram = self._seconds.labels(self._application, method, route or UNKNOWN_ROUTE, str(status))
            self._of_answers[kind] = histogram
        histogram.observe(seconds, _exemplar(current_trace_id()) if IS_ON else None)


def _exemplar(trace_id: str) -> dict[str, str] | None:
    return {"trace_id": trace_id} if trace_id else None
