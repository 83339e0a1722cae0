"""Ends an aiokafka producer at once: whatever it holds is never delivered.

`AIOKafkaProducer.stop()` delivers what is pending first. While the broker does not answer that takes for ever, and a
caller that gives up waiting leaves the sender task and the client alive: once the broker is back they deliver old batches
after the newer ones of their successor. (`aiokafka.producer.sender.Sender.close`, `aiokafka.client.AIOKafkaClient.close`.)
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from aiokafka.errors import KafkaConnectionError, KafkaError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

_GRACE_SECONDS: Final = 1.0
"""How long aiokafka's own tasks may take to notice that their connections are closed; then they are cancelled."""


class _Closed(dict[Any, Any]):
    """Takes the place of a client's connections: one that is still being made is closed as it is put here."""

    def __setitem__(self, node: Any, connection: Any) -> None:
        _abort(connection)
        raise KafkaConnectionError("the producer was abandoned")


async def abandon(producer: AIOKafkaProducer) -> None:
    """Close the producer's connections without sending what they hold, then end its tasks; takes a few seconds at most."""
    client, sender = producer.client, producer._sender  # noqa: SLF001
    producer._closed = True  # noqa: SLF001  so that nobody stops it again
    connections, client._conns = client._conns, _Closed()  # noqa: SLF001
    for connection in connections.values():
        _abort(connection)
    task: asyncio.Task[None] | None = sender.sender_task if sender is not None else None
    # At the first cancellation the sender waits for its requests in flight, which end with their connections; should one
    # hang all the same, the next cancellation ends it.
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_GRACE_SECONDS)
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        async with asyncio.timeout(_GRACE_SECONDS):
            await client.close()


def _abort(connection: Any) -> None:
    if connection._writer is not None:  # noqa: SLF001
        connection._writer.transport.abort()  # noqa: SLF001  close() would send what is buffered first
    connection.close()
