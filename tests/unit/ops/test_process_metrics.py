"""What a process counts of its own work, and how Prometheus finds it."""

from __future__ import annotations

import json
import os
import urllib.request
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace import TracerProvider

from consumers.runtime.room_costs import RoomCost
from infra.base.errors import SettingsError
from infra.base.readiness import ReadinessFile
from infra.base.settings import load_settings
from infra.edge.measured import Measured
from infra.local.targets import write_targets
from infra.ops import process_metrics
from infra.ops.process_metrics import CostCollector, ProcessMetrics, RequestMetrics
from producers import tracing
from producers.publisher import BY_KEY, Outgoing
from producers.tracing import Traces


def part(room: str, first: int, until: int, outputs: int = 1) -> Any:
    return SimpleNamespace(
        room=SimpleNamespace(name=room),
        old_offset=first,
        new_offset=until,
        outputs=[None] * outputs,
        at_ms=1_700_000_000_000,
    )


def rooms(*names: str) -> list[Any]:
    return [SimpleNamespace(name=name) for name in names]


def value(metrics: ProcessMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_batches_are_counted_by_reader_and_records_by_room() -> None:
    metrics = ProcessMetrics()
    meter = metrics.meter_of(rooms("orders", "payments"))
    metrics.meter_of(rooms("intake"))  # another reader in the same process
    meter.committed([part("orders", 7, 17), part("payments", 10, 17, outputs=0)], 0.02)
    meter.failed("fenced")
    assert value(metrics, "lastunit_room_records_total", room="orders") == 10
    assert value(metrics, "lastunit_room_records_total", room="payments") == 7
    assert value(metrics, "lastunit_batch_records_sum", reader="orders+payments") == 17
    assert value(metrics, "lastunit_batch_commit_seconds_count", reader="orders+payments") == 1
    assert value(metrics, "lastunit_batch_failures_total", reader="orders+payments", kind="fenced") == 1
    assert value(metrics, "lastunit_room_delay_seconds_count", room="orders") == 1
    assert value(metrics, "lastunit_room_delay_seconds_count", room="payments") is None


def test_what_an_owner_counts_of_its_rooms_is_shown() -> None:
    metrics, cost = ProcessMetrics(), RoomCost(cpu_seconds=1.5)
    misrouting = SimpleNamespace(count={"inventory.commands": 3})
    cost.took(0.004)
    cost.took(99.0)
    metrics.registry.register(
        CostCollector([cast("Any", SimpleNamespace(by_room={"orders": cost}, misrouting=misrouting))])
    )
    assert value(metrics, "lastunit_room_cpu_seconds_total", room="orders") == 1.5
    assert value(metrics, "lastunit_misrouted_records_total", topic="inventory.commands") == 3
    buckets = [
        value(metrics, "lastunit_room_step_seconds_bucket", room="orders", le=le) for le in ("0.002", "0.005", "+Inf")
    ]
    assert buckets == [0, 1, 2]


async def test_answers_are_counted_by_route_and_status_and_unknown_paths_are_one() -> None:
    metrics = ProcessMetrics()

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["path"].startswith("/v1/orders/"):
            scope["path_template"] = "/v1/orders/{order_id}"
        await send({"type": "http.response.start", "status": 200 if "path_template" in scope else 404})
        await send({"type": "http.response.body"})

    measured = Measured(app, RequestMetrics(metrics.registry, "api"))

    async def send(_: Any) -> None: ...

    for path in ("/v1/orders/a", "/v1/orders/b", "/x", "/y"):
        await measured({"type": "http", "method": "GET", "path": path}, None, send)
    await measured({"type": "http", "method": "BREW", "path": "/z"}, None, send)
    common = {"application": "api"}
    count = "lastunit_http_request_seconds_count"
    assert value(metrics, count, **common, method="GET", route="/v1/orders/{order_id}", status="200") == 2
    assert value(metrics, count, **common, method="GET", route="none", status="404") == 2
    assert value(metrics, count, **common, method="other", route="none", status="404") == 1


TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = TRACEPARENT[3:35].decode()
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
EXEMPLAR = f'# {{trace_id="{TRACE_ID}"}}'


def scraped(metrics: ProcessMetrics, accept: str) -> list[str]:
    with closing(HTTPConnection("127.0.0.1", metrics.port, timeout=10)) as connection:
        connection.request("GET", "/metrics", headers={"Accept": accept})
        return connection.getresponse().read().decode().splitlines()


def count_traced(metrics: ProcessMetrics, monkeypatch: pytest.MonkeyPatch, *, is_on: bool) -> None:
    """Count a batch and a request that belong to a trace, in a process that exports traces or not."""
    provider, traces = TracerProvider(), Traces()
    monkeypatch.setattr(tracing, "tracer", lambda: provider.get_tracer("test"))
    monkeypatch.setattr(process_metrics, "TRACES", traces)
    monkeypatch.setattr(process_metrics, "IS_ON", is_on)
    headers = [("traceparent", TRACEPARENT)]
    record = SimpleNamespace(partition=2, offset=7, timestamp=0, key=b"o", headers=headers)
    traces.continue_in("orders", "order.events", [(cast("Any", record), None)])
    decided = part("orders", 7, 9)
    ids = [b"order.events/2/7/0", *[f"order.events/2/8/{index}".encode() for index in range(9)]]
    decided.outputs = [Outgoing("order.events", BY_KEY, b"o", b"v", event_id) for event_id in ids]
    metrics.meter_of(rooms("orders")).committed([decided], 0.02)
    with provider.get_tracer("test").start_as_current_span("GET", tracing.parent_of(TRACEPARENT.decode())):
        RequestMetrics(metrics.registry, "api").answered("GET", "/v1/orders", 200, 0.003)


def test_where_traces_are_exported_a_histogram_names_the_trace_of_what_it_measured_in_openmetrics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics = ProcessMetrics()
    count_traced(metrics, monkeypatch, is_on=True)
    metrics.serve("127.0.0.1", 0)
    named = {line.partition("_bucket{")[0] for line in scraped(metrics, OPEN_METRICS) if EXEMPLAR in line}
    assert named == {
        "lastunit_http_request_seconds",
        "lastunit_room_delay_seconds",
        "lastunit_batch_commit_seconds",
    }
    assert not [line for line in scraped(metrics, "text/plain") if "trace_id" in line]


def test_where_no_traces_are_exported_there_are_no_exemplars(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = ProcessMetrics()
    count_traced(metrics, monkeypatch, is_on=False)
    metrics.serve("127.0.0.1", 0)
    assert not [line for line in scraped(metrics, OPEN_METRICS) if "trace_id" in line]


def test_each_process_serves_its_own_and_is_on_the_list_as_a_worker(tmp_path: Path) -> None:
    settings = load_settings(state_dir=tmp_path, console_port=4711)
    metrics, shown = ProcessMetrics(), ReadinessFile(settings, "inventory")
    metrics.serve("127.0.0.1", 0)
    metrics.meter_of(rooms("inventory")).failed("fenced")
    ReadinessFile(settings, "views").write()  # one that serves none
    shown.serves_metrics(f"127.0.0.1:{metrics.port}")
    listed = json.loads(write_targets(settings).read_text(encoding="utf-8"))
    assert [target["labels"] for target in listed] == [
        {"job": "lastunit", "process": "system", "worker": "console"},
        {"job": "lastunit", "process": "inventory", "worker": str(os.getpid())},
    ]
    [address] = listed[1]["targets"]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        assert b'lastunit_batch_failures_total{kind="fenced",reader="inventory"} 1.0' in answer.read()
    assert write_targets(settings.model_copy(update={"console_port": 0})).exists()


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    first, second = ProcessMetrics(), ProcessMetrics()
    first.serve("127.0.0.1", 0)
    with pytest.raises(SettingsError, match=f"LASTUNIT_METRICS_PORT={first.port}"):
        second.serve("127.0.0.1", first.port)
