"""Moves a consumer to positions, where a rebalance may take partitions away at any time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from aiokafka.errors import IllegalStateError

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition


def seek(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> None:
    """Read a partition from this offset on, unless Kafka has revoked it meanwhile."""
    with contextlib.suppress(IllegalStateError):
        consumer.seek(tp, offset)


def paused(consumer: AIOKafkaConsumer, tp: TopicPartition) -> None:
    """Read a partition no longer, unless Kafka has revoked it meanwhile."""
    with contextlib.suppress(IllegalStateError):
        consumer.pause(tp)


def resumed(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int) -> bool:
    """Read a paused partition from this offset on. Return False where Kafka has revoked it meanwhile."""
    try:
        consumer.seek(tp, offset)
        consumer.resume(tp)
    except IllegalStateError:
        return False
    return True
