"""The consumer of an owner: it reads nothing that is not claimed, and no more ahead than memory is meant for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from consumers.runtime.kafka.fetch_connection import install_fetch_connection
from topology.topics import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.runtime.kafka.assignor import ClaimsAssignor
    from consumers.runtime.lifecycle import ProcessLifecycle
    from consumers.runtime.options import OwnerOptions
    from producers.outage import Outage

FETCH_BYTES: Final = MAX_RECORD_BYTES
"""Read ahead of each partition, and so the most that one poll brings of it."""
LONE_HEARTBEAT_MS: Final = 1_000
"""Between the heartbeats of a group's only member: nobody waits for it to learn of a rebalance, but who comes to join it."""
NEVER_MS: Final = 2**31 - 1
"""Our own watchdog judges progress, as it knows when waiting is right; leaving the group heals nothing."""


def group_id(room: str, options: OwnerOptions) -> str:
    """Return the name of a room's consumer group."""
    return f"{options.namespace}{room}"


def new_consumer(room: str, options: OwnerOptions, assignor: ClaimsAssignor) -> AIOKafkaConsumer:
    """Return the consumer of a room's owner; it subscribes to nothing yet. How long it waits is set by fetch_pacing.py."""
    return AIOKafkaConsumer(
        bootstrap_servers=options.kafka_bootstrap,
        group_id=group_id(room, options),
        client_id=f"lastunit-{room}",
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        partition_assignment_strategy=[assignor],
        session_timeout_ms=options.session_timeout_ms,
        heartbeat_interval_ms=min(options.heartbeat_ms, options.session_timeout_ms // 3),
        max_poll_interval_ms=NEVER_MS,
        max_partition_fetch_bytes=FETCH_BYTES,
    )


async def started(new: Callable[[], AIOKafkaConsumer], outage: Outage, lifecycle: ProcessLifecycle) -> AIOKafkaConsumer:
    """Return a consumer that is connected; while Kafka is away, wait, and make another one for each attempt.

    Asked to stop meanwhile, return one that is not connected.
    """
    while True:
        consumer = new()
        try:
            await consumer.start()
        except (KafkaError, OSError) as error:
            await consumer.stop()
            await outage.wait(error, "connect")
            if not lifecycle.running:
                outage.abandoned("connect")
                return consumer
        else:
            outage.ended("connect")
            install_fetch_connection(consumer)
            return consumer


def pace_heartbeats(consumer: AIOKafkaConsumer, options: OwnerOptions, *, is_alone: bool) -> None:
    """Set how often a consumer heartbeats from the assignment on that it is just getting: see OwnerOptions.heartbeat_ms."""
    usual_ms = min(options.heartbeat_ms, options.session_timeout_ms // 3)
    lone_ms = max(usual_ms, min(LONE_HEARTBEAT_MS, options.session_timeout_ms // 3))
    consumer._coordinator._heartbeat_interval_ms = lone_ms if is_alone else usual_ms  # noqa: SLF001
