"""Sees whether the topic that a process decides is still the same one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from aiokafka.errors import KafkaError

from consumers.errors import OtherLogError
from consumers.runtime.log_identity import source_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka import AIOKafkaConsumer

    from consumers.runtime.hosting import Hosting
    from consumers.runtime.log_identity import SourceLog
    from producers.outage import Outage

log = structlog.get_logger()

LOG_WATCH_SECONDS: Final = 10.0


async def watch_log(
    consumer: AIOKafkaConsumer, hosting: Hosting, partitions_in_use: Callable[[], int], outage: Outage
) -> None:
    """See now and then whether the topic is still the one that the rooms decide, until cancelled.

    Raises OtherLogError. A topic that is deleted and made again within a moment is noticed by nothing else.
    """
    known: SourceLog | None = None
    while True:
        try:
            current = await source_log(consumer._client, hosting.topic)  # noqa: SLF001
        except (KafkaError, OSError) as error:
            await outage.wait(error, "topics")
            continue
        outage.ended("topics")
        if known is not None and current.identity != known.identity:
            raise OtherLogError(hosting.name, 0, stored=known.identity, actual=current.identity)
        if known is None or current.partitions != known.partitions:
            _name_surplus(hosting, current.partitions, partitions_in_use())
        known = current
        await asyncio.sleep(LOG_WATCH_SECONDS)


def _name_surplus(hosting: Hosting, partitions: int, in_use: int) -> None:
    """Name partitions that are not in use: orders are keyed by a recorded number (topology/copartitioning.py)."""
    if partitions > in_use and not hosting.rooms[0].may_be_repartitioned:
        log.warning("surplus_partitions", room=hosting.name, topic=hosting.topic, partitions=partitions, in_use=in_use)
