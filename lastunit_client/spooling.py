"""What is published while Kafka may be away: at once where Kafka answers, else by way of the spool, in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from lastunit_client.errors import SpoolError
from producers.errors import PublishError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lastunit_client.spool import Spool
    from producers.publisher import Outgoing, Publisher

DIRECT_SECONDS: Final = 2.0
"""How long Kafka has to acknowledge before a request is spooled."""


class SpooledPublisher:
    """Publishes directly while the spool is empty; otherwise what comes is put behind what waits there."""

    def __init__(self, publisher: Publisher, spool: Spool) -> None:
        self._publisher, self._spool = publisher, spool
        self._draining = asyncio.create_task(self._drain(), name="drain the spool")

    async def publish(self, records: Sequence[Outgoing]) -> bool:
        """Return whether Kafka has the records; if not, the disk has. Raises SpoolError, and PublishError for what is too large."""
        self._require_draining()
        if self._spool.is_empty:
            try:
                async with asyncio.timeout(DIRECT_SECONDS):
                    await self._publisher.publish(records)
            except (PublishError, KafkaError, OSError, TimeoutError) as error:
                if isinstance(error.__cause__, MessageSizeTooLargeError):
                    raise
            else:
                return True
        await self._spool.append(records)
        return False

    async def drained(self) -> None:
        """Return once Kafka has all that was spooled."""
        emptied = asyncio.create_task(self._spool.emptied.wait())
        await asyncio.wait({emptied, self._draining}, return_when=asyncio.FIRST_COMPLETED)
        emptied.cancel()
        self._require_draining()

    async def close(self) -> None:
        """Stop draining; what is left is on disk."""
        self._draining.cancel()
        await asyncio.gather(self._draining, return_exceptions=True)
        self._spool.close()

    def _require_draining(self) -> None:
        """Raise SpoolError where draining has ended: the client is closed, or its disk fails."""
        if self._draining.cancelled():
            raise SpoolError("The client is closed.")
        if self._draining.done():
            raise SpoolError(
                f"The spool is not drained any more ({self._draining.exception()!r}): open the client again."
            )

    async def _drain(self) -> None:
        while True:
            file, entries = await self._spool.oldest()
            for records in entries:
                await self._until_acknowledged(records)
            await self._spool.remove(file)

    async def _until_acknowledged(self, records: Sequence[Outgoing]) -> None:
        while True:
            try:
                await self._publisher.publish(records)
            except (PublishError, KafkaError, OSError) as error:
                await self._publisher.outage.wait(error, "drain the spool")
            else:
                self._publisher.outage.ended("drain the spool")
                return
