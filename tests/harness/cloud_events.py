"""Real records before the CloudEvents project's own package, and before the headers that the AsyncAPI document promises."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat

from consumers.runtime.deciding.record import Record
from docs.tools import asyncapi
from schemas.envelope import cloud_event_headers
from topology.topics import Topic


def cloud_events(topic: Topic, records: Iterable[Record]) -> list[BaseCloudEvent]:
    """Return each record of ours as the CloudEvent that it is; its headers are those of the AsyncAPI document."""
    events: list[BaseCloudEvent] = []
    published: dict[tuple[str, str], tuple[bytes | None, bytes | None]] = {}
    for record in records:
        headers = cloud_event_headers(topic.name, record)
        event = from_binary(KafkaMessage(dict(headers), record.key, record.value or b""), JSONFormat())
        once = published.setdefault((event.get_source(), event.get_id()), (record.key, record.value))
        assert once == (record.key, record.value), f"two events are {event.get_source()} {event.get_id()}"
        if record.value is not None:
            _assert_promised(event.get_type().rpartition(".")[2], {name for name, _ in record.headers})
        events.append(event)
    return events


def _assert_promised(message: str, carried: set[str]) -> None:
    components = _components()
    schema = components["messages"][message].get("headers")
    promised = components["schemas"][schema["$ref"].rpartition("/")[2]] if schema else {"properties": {}}
    assert carried <= set(promised["properties"]), f"{message} carries {carried}"
    assert set(promised.get("required", ())) <= carried, f"{message} carries {carried}"


@cache
def _components() -> dict[str, Any]:
    components: dict[str, Any] = asyncapi.document()["components"]
    return components
