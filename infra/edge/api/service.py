"""What the routes do: take a key, publish, wait. It knows requests, but neither routes nor the server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from redis.exceptions import RedisError

from consumers.following.reading_range import read_range
from consumers.views.store import read_positions, read_timeline
from consumers.views.timeline import event_of, view_of
from infra.edge.api.answers import EventView
from infra.edge.api.bodies import Body
from infra.edge.api.keys import (
    Claim,
    IdempotencyKeys,
    KeyInFlightError,
    KeyReusedError,
    KeysUnavailableError,
    fingerprint_of,
)
from infra.edge.api.outcomes import answering
from infra.edge.api.permission import PRINCIPAL
from infra.edge.api.problems import IN_FLIGHT, KEY_REUSED, Fault, ProblemError, invalid, unavailable
from infra.edge.api.requests import KEY_HEADER, HttpRequest, headers_of, key_of, opened, release_place
from infra.edge.api.tail import ListeningEndedError, OrderTail, TailUnavailableError, TooManyListenersError
from infra.edge.api.time_limit import TimeLimit
from producers.clients.order_commands import OrderCommandClient
from producers.clients.orders import OrderClient
from producers.clients.stock import StockClient
from producers.errors import InvalidRequestError, PublishError
from topology.partitioner import partition_of
from topology.topics import ORDER_EVENTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

    from consumers.following.follower import Followed
    from consumers.views.timeline import OrderView, TimelineEvent
    from infra.edge.access.principal import Principal
    from infra.edge.api.levels import StockLevels
    from infra.edge.api.tail import Listener
    from producers.outage import Readiness
    from producers.publisher import Publisher
    from schemas.messages import Message

log = structlog.get_logger()

KEY_SECONDS: Final = 4.0
"""How long a request waits for PostgreSQL to take its key; then it is asked to come again."""
MAX_GAP: Final = 50_000
"""Records of a partition by which the views may be behind, so that the rest is read from the log for a request."""
PUBLISH_SECONDS: Final = 8.0
"""How long a request waits for Kafka in all; what is published after that is under the same ids."""
_encode: Final = msgspec.json.Encoder().encode


class Service:
    """What the routes share."""

    def __init__(
        self,
        publisher: Publisher,
        keys: IdempotencyKeys,
        tail: OrderTail,
        levels: StockLevels,
        redis: Redis,
        *,
        bootstrap: str,
        namespace: str,
        in_use: dict[str, int],
        hold_seconds: int,
        readiness: Readiness,
    ) -> None:
        self.orders, self.order_commands = OrderClient(publisher), OrderCommandClient(publisher)
        self.stock = StockClient(publisher)
        self.keys, self.tail, self.levels, self.readiness = keys, tail, levels, readiness
        self.hold_seconds = hold_seconds
        self._redis, self._bootstrap, self._namespace = redis, bootstrap, namespace
        self._in_use = in_use.get(ORDER_EVENTS.name)
        self._publishing = 0
        self._key_limit, self._publish_limit = TimeLimit(KEY_SECONDS), TimeLimit(PUBLISH_SECONDS)

    # --- publishing -----------------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def keyed(
        self, request: HttpRequest, body: Body, make_id: Callable[[], str], *, is_required: bool
    ) -> AsyncIterator[Claim]:
        """Take the request's key for the block, which publishes unless the claim is done. Without a key every request is new.

        Raises ProblemError: no key, another request's key, a request in flight, PostgreSQL away.
        """
        key = key_of(headers_of(request), is_required=is_required)
        if key is None:
            yield Claim("", "", make_id(), is_done=False)
            return
        claim = await self._claimed(request, key, body, make_id)
        if claim.is_done:
            yield claim
            return
        try:
            yield claim
        except ProblemError:
            await self.keys.release(claim)
            raise
        except BaseException:
            self.keys.abandon(claim)
            raise
        await self.keys.complete(claim)

    async def _claimed(self, request: HttpRequest, key: str, body: Body, make_id: Callable[[], str]) -> Claim:
        fingerprint = fingerprint_of(request.method, request.scope["path"], _encode(body))
        try:
            with self._key_limit.block():
                return await self.keys.claim(client_of(request), key, fingerprint, make_id)
        except KeyInFlightError as error:
            raise ProblemError(
                IN_FLIGHT, "Wait for its answer, or send it again in a moment.", headers={"Retry-After": "1"}
            ) from error
        except KeyReusedError as error:
            raise ProblemError(
                KEY_REUSED, f"Another request was sent under this {KEY_HEADER}; give each new one a key of its own."
            ) from error
        except (KeysUnavailableError, TimeoutError) as error:
            raise unavailable("The key cannot be written down: PostgreSQL does not answer.") from error

    async def published(self, publishing: Awaitable[None]) -> None:
        """Wait until the log has what is published. Raises ProblemError where it has not, or what is sent is not taken.

        While Kafka is away one request at a time finds out whether it is back; the others are refused at once.
        """
        if self._publishing and "Kafka" in self.readiness.obstacles:
            if asyncio.iscoroutine(publishing):
                publishing.close()
            raise unavailable("The log cannot be written: Kafka does not answer.", retry_after_s=2)
        self._publishing += 1
        try:
            with self._publish_limit.block():
                await publishing
        except InvalidRequestError as error:
            raise invalid([Fault(str(error), pointer="")]) from error
        except (PublishError, TimeoutError) as error:
            log.warning("request_not_published", error=repr(error))
            raise unavailable("The log cannot be written: Kafka does not answer.", retry_after_s=2) from error
        finally:
            self._publishing -= 1

    # --- waiting --------------------------------------------------------------------------------------------------------------

    async def listener(self, request: HttpRequest, order_id: str) -> Listener:
        """Listen to an order until the request is answered, from now on. Raises ProblemError."""
        try:
            return await opened(request, self.tail.listening(order_id))
        except TooManyListenersError as error:
            raise unavailable("Too many requests wait for events; ask without waiting, or later.") from error
        except TailUnavailableError as error:
            raise unavailable("Nothing can be waited for: Kafka does not answer.") from error

    async def decided(
        self, request: HttpRequest, order_id: str, listener: Listener, seconds: int, *, is_new: bool
    ) -> OrderView:
        """Return an order once it is known how it comes out, or as it is when the time is over."""
        known = [] if is_new else await self.history(order_id, listener)
        events = {event.offset: event for event in known}
        view = view_of(order_id, events.values())
        if not view.is_decided:
            async for event in _until(request, listener, seconds):
                events[event.offset] = timeline_event(event)
                view = view_of(order_id, events.values())
                if view.is_decided:
                    break
        return view

    async def answered(
        self, request: HttpRequest, command: Message, listener: Listener, seconds: int
    ) -> EventView | None:
        """Return the event that answers a command; None where none came in time."""
        answers = answering(command)
        async for event in _until(request, listener, seconds):
            if event.message is not None and answers(event.message):
                return event_view(timeline_event(event))
        return None

    async def history(self, order_id: str, listener: Listener) -> list[TimelineEvent]:
        """Return an order's events before those that a listener gets: from the views, and what they have not read yet.

        Raises ProblemError.
        """
        partition = self.partition_of(order_id, listener)
        until = listener.positions[partition]
        try:
            reached = (await read_positions(self._redis, self._namespace, [partition]))[partition] or 0
        except (RedisError, OSError, TimeoutError) as error:
            raise unavailable("Orders cannot be looked up: the views do not answer.") from error
        if until - reached > MAX_GAP:
            raise unavailable("The views of orders are being rebuilt.", retry_after_s=10)
        view = await self.timeline(order_id)
        events = {event.offset: event for event in (view.events if view is not None else ())}
        key = order_id.encode()
        async for records in read_range(
            self._bootstrap, self._namespace, ORDER_EVENTS, {partition: reached}, {partition: until}, wants=key.__eq__
        ):
            events |= {record.offset: timeline_event(record) for record in records if record.message is not None}
        return [events[offset] for offset in sorted(events)]

    def partition_of(self, order_id: str, listener: Listener) -> int:
        """Return the partition of order.events that has an order's events."""
        return partition_of(order_id.encode(), self._in_use or len(listener.positions))

    # --- looking --------------------------------------------------------------------------------------------------------------

    async def timeline(self, order_id: str) -> OrderView | None:
        """Return an order as the views have it. Raises ProblemError."""
        try:
            return await read_timeline(self._redis, self._namespace, order_id)
        except (RedisError, OSError, TimeoutError) as error:
            raise unavailable("Orders cannot be looked up: the views do not answer.") from error

    async def is_accepted(self, *subject_ids: str) -> bool:
        """Return whether a request here made one of these; its events may be a moment behind. Raises ProblemError."""
        try:
            async with asyncio.timeout(KEY_SECONDS):
                return await self.keys.made(subject_ids)
        except (KeysUnavailableError, TimeoutError) as error:
            raise unavailable("Orders cannot be looked up: PostgreSQL does not answer.") from error


def client_of(request: HttpRequest) -> str:
    """Return whose request it is; empty where nobody shows who they are."""
    principal: Principal = request.scope[PRINCIPAL]  # type: ignore[typeddict-item]
    return principal.client


def timeline_event(event: Followed) -> TimelineEvent:
    """Return a record of order.events as an event of its order's timeline, as the views have it."""
    assert event.message is not None  # noqa: S101  order.events has no tombstones
    event_id = event.event_id or f"{event.topic}/{event.partition}/{event.offset}"
    return event_of(event.message, event_id=event_id, at_ms=event.at_ms, offset=event.offset)


def event_view(event: TimelineEvent) -> EventView:
    """Return an event as it is answered."""
    return EventView(event.event_id, event.type, event.at_ms, event.data)


async def _until(request: HttpRequest, listener: Listener, seconds: int) -> AsyncIterator[Followed]:
    """Yield events until the time is over; the request gives its place back meanwhile."""
    release_place(request)
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            events = await listener.next(left)
        except ListeningEndedError:
            return
        for event in events:
            if event.message is not None:
                yield event
