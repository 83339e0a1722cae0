"""W3C trace context through the log: from a request, or a record that a client sent with one, to the last event that follows.

On where an OTLP exporter is configured (OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) and OpenTelemetry is
installed; everything else is configured by OpenTelemetry's own variables. `IS_ON` is known at import: elsewhere nothing is
looked up, and records carry no header. A room continues traces that are sampled, and begins none.

What a record belongs to is kept in memory between its decision and the publication of what follows. It decides nothing, so
a crash in between costs a trace its end, and nothing else.

Decision: docs/decisions, 044.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import time
from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import msgspec

from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TRACEPARENT: Final = "traceparent"
MAX_REMEMBERED: Final = 100_000
"""Records, and orders, whose traces are known to this process; the oldest are forgotten first."""
MAX_LOOKED_AT: Final = 100
"""Records of a batch that are looked through for one with a trace."""
_OFF: Final = ("", "none")
T = TypeVar("T")


class TracedRecord(Protocol):
    """What is read of a Kafka record; `timestamp` is its append time in ms since the Unix epoch."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    headers: Sequence[tuple[str, Any]]


def is_configured(variables: Mapping[str, str]) -> bool:
    """Tell whether an environment names somebody to export traces to, by OpenTelemetry's variables."""
    endpoints = (variables.get(f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT", "") for kind in ("", "TRACES_"))
    is_disabled = variables.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return any(endpoints) and not is_disabled and variables.get("OTEL_TRACES_EXPORTER", "otlp") not in _OFF


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


IS_ON: Final = is_configured(os.environ) and _is_installed()


class Traces:
    """The traces that records of this process belong to."""

    def __init__(self) -> None:
        self._by_cause: OrderedDict[bytes, bytes] = OrderedDict()
        self._by_key: OrderedDict[bytes, bytes] = OrderedDict()

    def continue_in(self, room: str, source: str, readings: Iterable[tuple[TracedRecord, Any]]) -> None:
        """Note a span for each record with a trace that a room has decided; what it publishes belongs to that span."""
        for record, read_as in readings:
            parent = _traceparent_of(record)
            if parent is None:
                continue
            name = f"{room} {type(read_as).__name__}"
            attributes = {
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.destination.name": source,
                "messaging.destination.partition.id": str(record.partition),
                "messaging.kafka.offset": record.offset,
                "messaging.kafka.message.key": (record.key or b"").decode(errors="replace"),
                "messaging.consumer.group.name": room,
            }
            if (traceparent := _span(name, parent, record.timestamp, attributes)) is not None:
                _remember(self._by_cause, f"{source}/{record.partition}/{record.offset}".encode(), traceparent)
                if source == ORDER_EVENTS.name and record.key is not None:
                    _remember(self._by_key, record.key, traceparent)

    def carried(self, records: Sequence[T]) -> Sequence[T]:
        """Return what is to be published (Outgoing of producers.publisher), with the trace of what it follows from, or of the request that publishes it.

        A result that comes from outside the log has the trace of its order.
        """
        current = _current()
        if current is None and not self._by_cause:
            return records
        return [self._carried(record, current) for record in records]

    def trace_id_of(self, decided: Sequence[Any]) -> str:
        """Return the trace of the latest record (Outgoing) that a room has decided and that has one, "" for none.

        Only the last MAX_LOOKED_AT are looked at.
        """
        if not self._by_cause:
            return ""
        for record in islice(reversed(decided), MAX_LOOKED_AT):
            if (traceparent := self._by_cause.get(record.event_id.rpartition(b"/")[0])) is not None:
                return _trace_id(traceparent)
        return ""

    def _carried(self, record: Any, current: bytes | None) -> Any:
        if record.headers is not None:
            return record  # sent on whole, with the headers that it had
        traceparent = self._by_cause.get(record.event_id.rpartition(b"/")[0]) or current
        if traceparent is None and not record.event_id:
            traceparent = self._by_key.get(record.key or b"")
        if traceparent is None:
            return record
        own = (("ce_id", record.event_id),) if record.event_id else ()
        return msgspec.structs.replace(record, event_id=b"", headers=(*own, (TRACEPARENT, traceparent)))


TRACES: Final = Traces()


@functools.cache
def tracer() -> Any:
    """Return this process's tracer; its spans are sent in batches by a thread of their own."""
    from opentelemetry import trace  # noqa: PLC0415  half a second, where traces are exported only
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    if not isinstance(provider := trace.get_tracer_provider(), TracerProvider):  # a program may have set one up
        resource = Resource.create({"service.name": "lastunit"}).merge(OTELResourceDetector().detect())
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
    return provider.get_tracer("lastunit")


def parent_of(traceparent: str) -> Any:
    """Return the context that a traceparent names (W3C Trace Context, level 1); one that is malformed names none."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    return TraceContextTextMapPropagator().extract({TRACEPARENT: traceparent})


def current_trace_id() -> str:
    """Return the trace that the caller is in, "" where it is in none that is sampled."""
    traceparent = _current()
    return "" if traceparent is None else _trace_id(traceparent)


def _span(name: str, parent: bytes, since_ms: int, attributes: Mapping[str, Any]) -> bytes | None:
    """Note a span that ends now; return its traceparent, None where nobody samples it."""
    from opentelemetry import trace  # noqa: PLC0415

    context = parent_of(parent.decode("ascii", errors="replace"))
    if _traceparent(trace.get_current_span(context).get_span_context()) is None:
        return None
    now_ns = time.time_ns()
    span = tracer().start_span(
        name, context, trace.SpanKind.CONSUMER, attributes, start_time=min(since_ms * 1_000_000, now_ns)
    )
    span.end(now_ns)
    return _traceparent(span.get_span_context())


def _current() -> bytes | None:
    """Return the traceparent of the span that the caller is in, None where it is in none that is sampled."""
    from opentelemetry import trace  # noqa: PLC0415

    return _traceparent(trace.get_current_span().get_span_context())


def _traceparent(context: Any) -> bytes | None:
    if not context.is_valid or not context.trace_flags.sampled:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01".encode()


def _trace_id(traceparent: bytes) -> str:
    return traceparent.split(b"-")[1].decode("ascii")


def _traceparent_of(record: TracedRecord) -> bytes | None:
    return next((value for name, value in record.headers if name == TRACEPARENT and value), None)


def _remember(known: OrderedDict[bytes, bytes], key: bytes, traceparent: bytes) -> None:
    known[key] = traceparent
    known.move_to_end(key)
    if len(known) > MAX_REMEMBERED:
        known.popitem(last=False)
