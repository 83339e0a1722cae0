"""What traces cost a room: `python -m tests.benchmarks.tracing` prints CPU us a record, off, on without a trace, and on with one.

On means what `IS_ON` guards in a room, for batches of 500 records: the spans, and the headers of what follows. Nothing is sent.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from producers.publisher import BY_KEY, Outgoing
from producers.tracing import Traces
from schemas.messages import OrderShipped

RECORDS = 500
ROUNDS = 20
TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MESSAGE = OrderShipped("0190a1b2-0000-7000-8000-000000000000")


class Nowhere(SpanExporter):
    """Drops what it is given."""

    def export(self, spans: object) -> SpanExportResult:
        del spans
        return SpanExportResult.SUCCESS


@dataclass
class Fetched:
    """A record with the headers that rooms write."""

    offset: int
    headers: Sequence[tuple[str, Any]]
    partition: int = 0
    timestamp: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    key: bytes | None = b"0190a1b2-0000-7000-8000-000000000000"


def us_a_record(*, is_on: bool, has_trace: bool) -> float:
    """Return the CPU time in us that a record of a batch costs, its following record included; the median of the rounds."""
    traces, costs = Traces(), []
    headers = [("ce_id", b"order.events/0/1/0"), *([("traceparent", TRACEPARENT)] if has_trace else ())]
    for number in range(ROUNDS):
        offsets = range(number * RECORDS, (number + 1) * RECORDS)
        readings = [(Fetched(offset, headers), MESSAGE) for offset in offsets]
        outputs = [
            Outgoing("order.events", BY_KEY, b"key", b"value", f"order.events/0/{offset}/0".encode())
            for offset in offsets
        ]
        began = time.process_time_ns()
        if is_on:
            traces.continue_in("orders", "order.events", readings)
        if is_on:
            traces.carried(outputs)
        costs.append((time.process_time_ns() - began) / 1_000 / RECORDS)
    return round(statistics.median(costs), 3)


def main() -> None:
    """Print one line of JSON."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    trace.set_tracer_provider(provider)
    cases = {"off": (False, True), "on, no trace": (True, False), "on, traced": (True, True)}
    print(json.dumps({name: us_a_record(is_on=is_on, has_trace=traced) for name, (is_on, traced) in cases.items()}))


if __name__ == "__main__":
    main()
