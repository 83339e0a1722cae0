"""A connection for fetches alone, and their end where they no longer ask for what is to be read.

A broker answers the requests of a connection one after the other, so whatever is asked behind a fetch that waits for records
waits with it. aiokafka sends fetches on the connection of all other requests, and leaves one under way that knows nothing of
a partition which was claimed, or of a position that was sought, meanwhile. Fetches wait for long where nothing comes.

After an answer the next fetch can be made to pause: then it is answered at once, with all that came meanwhile.

Decisions: docs/decisions, 039, 041.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka import AIOKafkaConsumer

LOOK_AGAIN_SECONDS: Final = 1.0
"""How often the fetcher looks by itself for what to ask. All that matters wakes it; aiokafka looks five times a second."""
UNREAD_SECONDS: Final = 10.0
"""How long a node is not asked for its other partitions while records of one have not been read; aiokafka's own is 0.1.

A fetch without that partition waits at the broker, where nothing else is wanted, and the next one behind it.
"""
LET_BE_MS: Final = 100
"""A fetch that waits for no longer is not called off: a busy room's ends soon, and what it leaves out gathers meanwhile."""
_FETCHES: Final = "fetches"
"""Names the connections; aiokafka's own groups are numbers."""


class _Nothing:
    """The answer to a fetch that was called off: no records of any partition."""

    topics: Final = ()


class Pause(NamedTuple):
    """What a fetch waits for after the answer to the one before: `seconds`, unless that had `enough_bytes` (or nothing)."""

    seconds: float = 0.0
    enough_bytes: int = 0


class _Fetch:
    """A fetch that pauses, or is on its way, and the positions that it asks for."""

    def __init__(self, request: FetchRequest) -> None:
        self.asked = {
            TopicPartition(topic, partition): offset
            for topic, partitions in request.topics
            for partition, offset, _ in partitions
        }
        self.is_sent = False
        self._called_off = asyncio.Event()

    @property
    def is_called_off(self) -> bool:
        return self._called_off.is_set()

    def call_off(self) -> None:
        self._called_off.set()

    async def pause(self, seconds: float) -> None:
        """Wait for so long, or until it is called off."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._called_off.wait(), seconds)


class FetchConnection:
    """What aiokafka's fetcher takes for its client."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._under_way: dict[int, _Fetch] = {}
        """For each node, where it may wait for long."""
        self._not_before: dict[int, float] = {}
        self.pause = Pause()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any) -> Any:
        """Send a request, a fetch on a connection of its own. Raises what AIOKafkaClient raises."""
        if not isinstance(request, FetchRequest):
            return await self._client.send(node_id, request)
        fetch = _Fetch(request)
        if request._max_wait_ms > LET_BE_MS:  # noqa: SLF001  it has no public name
            self._under_way[node_id] = fetch
        try:
            if (seconds := self._not_before.get(node_id, 0.0) - time.monotonic()) > 0:
                await fetch.pause(seconds)
            await self._client.ready(node_id, group=_FETCHES)  # what is called off while it connects must not be sent
            if fetch.is_called_off:
                return _Nothing
            fetch.is_sent = True
            response = await self._client.send(node_id, request, group=_FETCHES)
        except asyncio.CancelledError:
            self._end(node_id, fetch)  # else the next fetch would wait until the broker has answered this one
            raise
        except KafkaError:
            if not fetch.is_called_off:
                raise
            return _Nothing
        finally:
            if self._under_way.get(node_id) is fetch:
                del self._under_way[node_id]
        has_pause = 0 < _bytes_of(response) < self.pause.enough_bytes
        self._not_before[node_id] = time.monotonic() + self.pause.seconds if has_pause else 0.0
        return response

    def call_off(self, positions: Mapping[TopicPartition, int]) -> None:
        """End each fetch under way that leaves out one of these positions, of a partition which its node leads.

        The fetcher then asks anew, for what is to be read by now. A fetch of a busy room is let be (LET_BE_MS).
        """
        for tp, position in positions.items():
            node_id = self._client.cluster.leader_for_partition(tp)
            fetch = self._under_way.get(node_id)
            if fetch is not None and fetch.asked.get(tp) != position:
                del self._under_way[node_id]
                fetch.call_off()
                self._end(node_id, fetch)

    def _end(self, node_id: int, fetch: _Fetch) -> None:
        connection = self._client._conns.get((node_id, _FETCHES))  # noqa: SLF001  it has no public way to close one
        if fetch.is_sent and connection is not None:
            connection.close()


def _bytes_of(response: Any) -> int:
    """Return the size of the records in an answer; they are the last field of each partition."""
    return sum(len(partition[-1] or b"") for _, partitions in response.topics for partition in partitions)


def install_fetch_connection(consumer: AIOKafkaConsumer) -> None:
    """Have a consumer that was just started fetch on a connection of its own."""
    fetcher = consumer._fetcher  # noqa: SLF001
    fetcher._client = FetchConnection(fetcher._client)  # noqa: SLF001
    fetcher._fetcher_timeout = LOOK_AGAIN_SECONDS  # noqa: SLF001
    fetcher._prefetch_backoff = UNREAD_SECONDS  # noqa: SLF001


def call_off_other_fetches(consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> None:
    """End the fetches under way that do not ask for these positions; to be called before a long wait for records."""
    consumer._fetcher._client.call_off(positions)  # noqa: SLF001


def pace_fetches(consumer: AIOKafkaConsumer, pause: Pause) -> None:
    """Have a consumer pause so from the next answer on."""
    consumer._fetcher._client.pause = pause  # noqa: SLF001
