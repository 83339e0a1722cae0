"""The routes of events as they happen: server-sent events that resume where a client left off.

The id of an event is where its reader stands after it: a vector of partition:offset with a comma between, each the next
offset to read. Sent back as Last-Event-ID it is where the next connection begins, on whatever process. A client that is too slow is cut off, and
comes back by itself, as EventSource does.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request
from litestar.params import FromPath
from litestar.response import Stream
from litestar.response.sse import ServerSentEventMessage

from consumers.following.reading_range import read_range
from infra.edge.access.scopes import ORDERS_READ
from infra.edge.api.operations import query
from infra.edge.api.orders import require_order_id
from infra.edge.api.permission import ADMITTED, PRINCIPAL
from infra.edge.api.problems import BAD_HEADER, Fault, ProblemError
from infra.edge.api.requests import HttpRequest, release_place
from infra.edge.api.service import timeline_event
from infra.edge.api.tail import EVERYTHING, Listener, ListeningEndedError
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from consumers.following.follower import Followed
    from consumers.views.timeline import TimelineEvent
    from infra.edge.access.principal import Principal
    from infra.edge.api.service import Service

TAG = "Events"
LAST_ID: Final = "Last-Event-ID"
HEARTBEAT_SECONDS: Final = 15.0
"""Proxies close what is silent for longer than half a minute or so."""
_OPENING: Final = b": events of orders\nretry: 1000\n\n"
_HEARTBEAT: Final = b": nothing new\n\n"
_encode: Final = msgspec.json.Encoder().encode


class StreamedEvent(msgspec.Struct, frozen=True):
    """One event of a stream: that of which order, and what happened. `at_ms` is its append time (ms, UTC)."""

    order_id: str
    event_id: str
    type: str
    at_ms: int
    data: dict[str, Any]


def event_routes(service: Service, bootstrap: str, namespace: str) -> list[Any]:
    """Return the routes of events."""

    @query("/v1/orders/{order_id:str}/events", "followOrder", ORDERS_READ, tag=TAG, streams=True)
    async def of_order(request: Request[Any, Any, Any], order_id: FromPath[str]) -> Stream:
        """Follow one order: what happened to it so far, then what happens.

        An event's id is where it stands in the log; sent back as `Last-Event-ID`, what is before it is left out.
        """
        require_order_id(order_id)
        after = read_vector(request.headers.get(LAST_ID, ""))
        listener = await service.listener(request, order_id)
        known = await service.history(order_id, listener)
        release_place(request)
        partition = service.partition_of(order_id, listener)
        return _stream(request, _order_events(listener, order_id, partition, known, after.get(partition, 0)))

    @query("/v1/events", "followEvents", ORDERS_READ, tag=TAG, streams=True)
    async def of_all(request: Request[Any, Any, Any]) -> Stream:
        """Follow all orders from now on, or from where `Last-Event-ID` was: partitions that it does not name begin now."""
        after = read_vector(request.headers.get(LAST_ID, ""))
        listener = await service.listener(request, EVERYTHING)
        release_place(request)
        return _stream(request, _all_events(listener, after, bootstrap, namespace))

    return [of_order, of_all]


def read_vector(text: str) -> dict[int, int]:
    """Return the next offset of each partition that an event id names. Raises ProblemError for anything else."""
    try:
        pairs = [part.split(":") for part in text.split(",") if part.strip()]
        next_offsets = {_number(partition): _number(offset) for partition, offset in pairs}
    except ValueError:
        detail = "is no id of an event here; it reads partition:offset,..."
        raise ProblemError(BAD_HEADER, f"{LAST_ID} {detail}", errors=[Fault(detail, header=LAST_ID)]) from None
    return next_offsets


def write_vector(positions: dict[int, int]) -> str:
    """Return the next offset of each partition as an event id."""
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(positions.items()))


def _number(text: str) -> int:
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isdigit() and len(stripped) <= 18):  # noqa: PLR2004  an offset has 63 bits
        raise ValueError
    return int(stripped)


def _stream(request: HttpRequest, chunks: AsyncGenerator[bytes]) -> Stream:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(_while_admitted(request, chunks), media_type="text/event-stream", headers=headers)


def _encoded(vector: str, order_id: str, event: TimelineEvent) -> bytes:
    data = _encode(StreamedEvent(order_id, event.event_id, event.type, event.at_ms, event.data))
    return ServerSentEventMessage(data=data, event=event.type, id=vector, sep="\n").encode()


async def _order_events(
    listener: Listener, order_id: str, partition: int, known: list[TimelineEvent], stands: int
) -> AsyncGenerator[bytes]:
    """Yield the events of an order that are known and not before where its reader `stands`, then those that come."""
    yield _OPENING + b"".join(
        _encoded(f"{partition}:{event.offset + 1}", order_id, event) for event in known if event.offset >= stands
    )
    async for events in _until_closed(listener):
        yield (
            b"".join(
                _encoded(f"{partition}:{event.offset + 1}", order_id, timeline_event(event))
                for event in events
                if event.offset >= max(stands, listener.positions[partition])
            )
            or _HEARTBEAT
        )


async def _all_events(
    listener: Listener, after: dict[int, int], bootstrap: str, namespace: str
) -> AsyncGenerator[bytes]:
    """Yield the events of all orders that are not before `after`, then those that come."""
    ends = listener.positions
    stands = {partition: min(after.get(partition, end), end) for partition, end in ends.items()}

    def encoded(events: list[Followed]) -> bytes:
        parts = []
        for event in events:
            if event.offset >= stands[event.partition] and event.message is not None:
                stands[event.partition] = event.offset + 1
                parts.append(_encoded(write_vector(stands), event.key, timeline_event(event)))
        return b"".join(parts)

    yield _OPENING
    async for earlier in read_range(bootstrap, namespace, ORDER_EVENTS, dict(stands), ends):
        yield encoded(earlier)
    async for events in _until_closed(listener):
        yield encoded(events) or _HEARTBEAT


async def _until_closed(listener: Listener) -> AsyncIterator[list[Followed]]:
    """Yield what comes, and nothing every HEARTBEAT_SECONDS where nothing does."""
    with contextlib.suppress(ListeningEndedError):
        while True:
            yield await listener.next(HEARTBEAT_SECONDS)


async def _while_admitted(request: HttpRequest, chunks: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    """Yield what is to be sent until the key or token of the request is not good any more."""
    is_admitted: Callable[[Principal], bool] = request.scope[ADMITTED]  # type: ignore[typeddict-item]
    principal: Principal = request.scope[PRINCIPAL]  # type: ignore[typeddict-item]
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            if not is_admitted(principal):
                return
            yield chunk
