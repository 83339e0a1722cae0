"""Moves a consumer to positions, where a rebalance may take partitions away at any time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from aiokafka.errors import IllegalStateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition


def seek(consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition], offsets: Sequence[int]) -> None:
    """Read these partitions from these offsets on, those excepted that Kafka has revoked meanwhile."""
    for tp, offset in zip(tps, offsets, strict=True):
        with contextlib.suppress(IllegalStateError):
            consumer.seek(tp, offset)


def paused(consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition]) -> None:
    """Read these partitions no longer, those excepted that Kafka has revoked meanwhile."""
    for tp in tps:
        with contextlib.suppress(IllegalStateError):
            consumer.pause(tp)


def resumed(consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition], offsets: Sequence[int]) -> bool:
    """Read paused partitions from these offsets on. Return False where Kafka has revoked one meanwhile."""
    try:
        for tp, offset in zip(tps, offsets, strict=True):
            consumer.seek(tp, offset)
        consumer.resume(*tps)
    except IllegalStateError:
        return False
    return True
