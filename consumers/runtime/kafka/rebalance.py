"""The listener of a group's rebalances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import ConsumerRebalanceListener, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.runtime.lifecycle import ProcessLifecycle


class Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Passes assignments on; aiokafka swallows what a listener raises, so it becomes the failure of the process."""

    def __init__(
        self,
        assigned: Callable[[set[TopicPartition]], None],
        revoked: Callable[[set[TopicPartition]], None],
        lifecycle: ProcessLifecycle,
    ) -> None:
        self._assigned = assigned
        self._revoked = revoked
        self._lifecycle = lifecycle

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Pass on what Kafka revoked."""
        self._call(self._revoked, revoked)

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pass on what Kafka assigned."""
        self._call(self._assigned, assigned)

    def _call(self, listener: Callable[[set[TopicPartition]], None], partitions: set[TopicPartition]) -> None:
        try:
            listener(partitions)
        except Exception as error:  # noqa: BLE001  whatever it is, the process must not go on
            self._lifecycle.fail(error)
