"""How a room's process lives: it works until it is asked to stop, or until something says that it must start afresh."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka import ConsumerRebalanceListener, TopicPartition

from consumers.errors import OwnerStoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class ProcessLifecycle:
    """One process's work. `fail` may be called from any task, `stop` from a signal handler."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self._failed = asyncio.Event()
        self._failure: Exception | None = None

    @property
    def goes_on(self) -> bool:
        """Tell whether nobody has asked to stop yet."""
        return not self._stopping.is_set()

    def stop(self) -> None:
        """Ask for a graceful end."""
        self._stopping.set()

    def fail(self, error: Exception) -> None:
        """Stop the process from whatever task notices that it must stop; the first reason counts."""
        if self._failure is None:
            self._failure = error if isinstance(error, OwnerStoppedError) else OwnerStoppedError(repr(error))
            self._failed.set()

    async def run(self, work: Coroutine[Any, Any, None], *helpers: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, and the helpers as long. Raises what `fail` was told, or what `work` raises."""
        main, failed = asyncio.create_task(work), asyncio.create_task(self._failed.wait())
        tasks = [main, failed, *map(asyncio.create_task, helpers)]
        try:
            await asyncio.wait({main, failed}, return_when=asyncio.FIRST_COMPLETED)
            if self._failure is not None:
                raise self._failure
            await main
        finally:
            for task in tasks:
                task.cancel()


class Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Hands Kafka's word on; an exception here would be swallowed, so it becomes the failure of the process."""

    def __init__(
        self,
        assigned: Callable[[set[TopicPartition]], None],
        revoked: Callable[[set[TopicPartition]], None],
        lifecycle: ProcessLifecycle,
    ) -> None:
        self._assigned = assigned
        self._revoked = revoked
        self._lifecycle = life

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Pass on what Kafka took away."""
        self._tell(self._revoked, revoked)

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pass on what Kafka gives."""
        self._tell(self._assigned, assigned)

    def _tell(self, listener: Callable[[set[TopicPartition]], None], partitions: set[TopicPartition]) -> None:
        try:
            listener(partitions)
        except Exception as error:  # noqa: BLE001  whatever it is, the process must not go on
            self._lifecycle.fail(error)
