"""How an owner reads from Kafka: nothing that is not claimed, no offset but ours, no more ahead than memory is meant for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiokafka import AIOKafkaConsumer

from topology.topics import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from consumers.runtime.assignor import ClaimsAssignor
    from consumers.runtime.owner import OwnerOptions

FETCH_WAIT_MS: Final = 25
"""How long the broker gathers records before it answers a fetch, unless there are FETCH_MIN_BYTES sooner.

A batch costs each room about 4 ms of CPU however small it is. Without a wait, four rooms that take two or three orders
at a time fill two cores at half of what they could do, and an order is slower, for it waits for a core at every step.
aiokafka asks a broker once at a time, so this also bounds how long the records of a partition just read may lie there.
"""
FETCH_MIN_BYTES: Final = 16_384
"""About 150 orders of one line: under a load that makes batches of this size by itself, nothing waits."""
FETCH_BYTES: Final = MAX_RECORD_BYTES
"""Read ahead of each partition of each source, and so the most that one poll brings of it."""
NEVER_MS: Final = 2**31 - 1
"""Whether we get on is for our own watchdog to judge, which knows when to wait is right; leaving the group heals nothing."""


def new_consumer(room: str, options: OwnerOptions, assignor: ClaimsAssignor) -> AIOKafkaConsumer:
    """Return the consumer of a room's owner; it subscribes to nothing yet."""
    return AIOKafkaConsumer(
        bootstrap_servers=options.kafka_bootstrap,
        group_id=f"{options.namespace}{room}",
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        partition_assignment_strategy=[assignor],
        session_timeout_ms=options.session_timeout_ms,
        heartbeat_interval_ms=min(options.heartbeat_ms, options.session_timeout_ms // 3),
        max_poll_interval_ms=NEVER_MS,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        fetch_min_bytes=FETCH_MIN_BYTES,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
