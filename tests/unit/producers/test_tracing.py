from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from producers import tracing
from producers.publisher import BY_KEY, Outgoing
from producers.tracing import Traces, is_configured
from schemas.ids import new_order_id
from schemas.messages import OrderPaid

SAMPLED = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-1] + b"0"
TRACE_ID = SAMPLED[3:35].decode()
ORDER = new_order_id().encode()
PAID = OrderPaid(ORDER.decode(), 1_250, "EUR")


@dataclass
class Fetched:
    key: bytes | None
    headers: Sequence[tuple[str, Any]]
    partition: int = 2
    offset: int = 7
    timestamp: int = 1_700_000_000_000


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What a tracer of this test's own exports."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "tracer", lambda: provider.get_tracer("test"))
    return exporter


def answer(event_id: bytes = b"order.events/2/7/0") -> Outgoing:
    return Outgoing("order.events", BY_KEY, ORDER, b"value", event_id)


def traceparent_of(record: Outgoing) -> bytes | None:
    return dict(record.headers or ()).get("traceparent")


@pytest.mark.parametrize(
    ("variables", "is_on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_on_where_somebody_is_named_to_send_them_to(variables: Mapping[str, str], is_on: bool) -> None:
    assert is_configured(variables) is is_on


def test_what_follows_from_a_record_belongs_to_its_trace(spans: InMemorySpanExporter) -> None:
    traces = Traces()
    traces.continue_in(
        "payments", "order.events", [(Fetched(ORDER, [("ce_id", b"x"), ("traceparent", SAMPLED)]), PAID)]
    )
    [span] = spans.get_finished_spans()
    [carried] = traces.carried([answer()])
    assert (span.name, f"{span.context.trace_id:032x}") == ("payments OrderPaid", TRACE_ID)
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == SAMPLED[36:52].decode()
    assert carried == Outgoing(
        "order.events",
        BY_KEY,
        ORDER,
        b"value",
        b"",
        (("ce_id", b"order.events/2/7/0"), ("traceparent", f"00-{TRACE_ID}-{span.context.span_id:016x}-01".encode())),
    )


def test_a_result_from_outside_the_log_belongs_to_the_trace_of_its_order(spans: InMemorySpanExporter) -> None:
    traces = Traces()
    traces.continue_in("payments", "order.events", [(Fetched(ORDER, [("traceparent", SAMPLED)]), PAID)])
    traces.continue_in("inventory", "inventory.commands", [(Fetched(b"MUG", [("traceparent", SAMPLED)]), PAID)])
    result, level, other = traces.carried(
        [answer(b""), Outgoing("stock.levels", BY_KEY, b"MUG", b"v"), answer(b"a/1/1/0")]
    )
    assert (traceparent_of(result) or b"")[3:35].decode() == TRACE_ID
    assert (level.headers, other) == (None, answer(b"a/1/1/0"))


@pytest.mark.parametrize(
    "headers", [[], [("traceparent", UNSAMPLED)], [("traceparent", b"\xff")], [("traceparent", None)], [("ce_id", b"")]]
)
def test_a_record_without_a_sampled_trace_begins_none(headers: list[Any], spans: InMemorySpanExporter) -> None:
    traces = Traces()
    traces.continue_in("orders", "order.events", [(Fetched(ORDER, headers), PAID)])
    records = [answer()]
    assert traces.carried(records) == records
    assert not spans.get_finished_spans()


def test_what_is_published_within_a_span_belongs_to_it_and_what_is_sent_on_keeps_its_own(
    spans: InMemorySpanExporter,
) -> None:
    forwarded = Outgoing("order.events", 1, ORDER, b"v", b"id", (("traceparent", UNSAMPLED),))
    with tracing.tracer().start_as_current_span("POST /v1/orders") as span:
        command, same = Traces().carried([Outgoing("inventory.commands", BY_KEY, b"MUG", b"v"), forwarded])
    assert traceparent_of(command) == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01".encode()
    assert same is forwarded


def test_only_so_many_are_remembered(spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MAX_REMEMBERED", 2)
    traces = Traces()
    for offset in range(4):
        record = Fetched(b"MUG", [("traceparent", SAMPLED)], offset=offset)
        traces.continue_in("inventory", "inventory.commands", [(record, PAID)])
    ids = [f"inventory.commands/2/{offset}/0".encode() for offset in range(4)]
    carried = traces.carried([answer(each) for each in ids])
    assert [traceparent_of(each) is not None for each in carried] == [False, False, True, True]


def test_without_an_exporter_it_is_off() -> None:
    assert not tracing.IS_ON
