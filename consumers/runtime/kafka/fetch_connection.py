"""A connection for fetches alone, and their end where they no longer ask for what is to be read.

A broker answers the requests of a connection one after the other, so whatever is asked behind a fetch that waits for records
waits with it. aiokafka sends fetches on the connection of all other requests, and leaves one under way that knows nothing of
a partition which was claimed, or of a position that was sought, meanwhile. A room at rest has its fetches wait for long.

Decisions: docs/decisions, 039.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest

from consumers.runtime.kafka.fetch_pacing import MOST_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka import AIOKafkaConsumer

LOOK_AGAIN_SECONDS: Final = 1.0
"""How often the fetcher looks by itself for what to ask. All that matters wakes it; aiokafka looks five times a second."""
_FETCHES: Final = "fetches"
"""Names the connections; aiokafka's own groups are numbers."""


class _Nothing:
    """The answer to a fetch that was called off: no records of any partition."""

    topics: Final = ()


class FetchConnection:
    """What aiokafka's fetcher takes for its client."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._under_way: dict[int, dict[TopicPartition, int]] = {}
        """For each node the positions that its fetch asks for, while that may wait for long."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any) -> Any:
        """Send a request, a fetch on a connection of its own. Raises what AIOKafkaClient raises."""
        if not isinstance(request, FetchRequest):
            return await self._client.send(node_id, request)
        if request._max_wait_ms <= MOST_MS:  # noqa: SLF001  it has no public name
            return await self._client.send(node_id, request, group=_FETCHES)
        asked = {
            TopicPartition(topic, partition): offset
            for topic, partitions in request.topics
            for partition, offset, _ in partitions
        }
        self._under_way[node_id] = asked
        try:
            return await self._client.send(node_id, request, group=_FETCHES)
        except asyncio.CancelledError:
            self._close(node_id)  # else the next fetch would wait until the broker has answered this one
            raise
        except KafkaError:
            if self._under_way.get(node_id) is asked:
                raise
            return _Nothing
        finally:
            if self._under_way.get(node_id) is asked:
                del self._under_way[node_id]

    def call_off(self, positions: Mapping[TopicPartition, int]) -> None:
        """End each fetch under way that leaves out one of these positions, of a partition which its node leads.

        The fetcher then asks anew, for what is to be read by now. A busy room's fetches are let be: they end soon, and what
        they leave out gathers meanwhile.
        """
        for tp, position in positions.items():
            node_id = self._client.cluster.leader_for_partition(tp)
            asked = self._under_way.get(node_id)
            if asked is not None and asked.get(tp) != position:
                del self._under_way[node_id]
                self._close(node_id)

    def _close(self, node_id: int) -> None:
        connection = self._client._conns.get((node_id, _FETCHES))  # noqa: SLF001  it has no public way to close one
        if connection is not None:
            connection.close()


def install_fetch_connection(consumer: AIOKafkaConsumer) -> None:
    """Have a consumer that was just started fetch on a connection of its own."""
    fetcher = consumer._fetcher  # noqa: SLF001
    fetcher._client = FetchConnection(fetcher._client)  # noqa: SLF001
    fetcher._fetcher_timeout = LOOK_AGAIN_SECONDS  # noqa: SLF001


def call_off_other_fetches(consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> None:
    """End the fetches under way that do not ask for these positions; to be called before a long wait for records."""
    consumer._fetcher._client.call_off(positions)  # noqa: SLF001
