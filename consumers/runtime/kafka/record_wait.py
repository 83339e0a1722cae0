"""Waits for the next records without asking for them again and again: a reader wakes up for records, or when it is called.

Decision: docs/decisions, 035.
"""

from __future__ import annotations

import asyncio
from typing import Any


class RecordWait:
    """One reader's wait at an AIOKafkaConsumer. `wake` may be called from any callback of the event loop, at any time."""

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None
        self._called = False

    @property
    def is_waiting(self) -> bool:
        """Whether nothing has ended the wait under way yet."""
        return self._waiter is not None and not self._waiter.done()

    def wake(self) -> None:
        """End the wait under way; where there is none, the next one."""
        self._called = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def until_records(self, consumer: Any, seconds: float) -> None:
        """Return when the consumer got records that nobody has read, after a call of `wake`, or after so many seconds.

        To be called when a read has just returned nothing. Raises what aiokafka raises to its readers, such as KafkaError where
        the group must not be read.
        """
        if not self._called:
            # getmany waits for the same, but cannot be called away, and its cancellation may drop what it has parsed.
            self._waiter = consumer._fetcher._create_fetch_waiter()  # noqa: SLF001
            await asyncio.wait([self._waiter], timeout=seconds)
            if self._waiter.done():
                self._waiter.result()
            else:
                self._waiter.cancel()
            self._waiter = None
        self._called = False
