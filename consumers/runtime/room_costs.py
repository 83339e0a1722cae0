"""What each room of a process costs: counted once a step, never for each record. `owner.costs` has them since the start."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog

from consumers.runtime.misrouting import MisroutingReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import AIOKafkaConsumer

    from consumers.runtime.deciding.batch import PartitionBatch
    from consumers.runtime.hosting import Hosting
    from consumers.runtime.ownership import Ownership

log = structlog.get_logger()

STEP_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the buckets of a step's time; one more has what took longer."""


class RoomCost(msgspec.Struct):
    """One room: `records` that concerned it, the CPU of deciding them, and the steps that it had a part in.

    A step lasts from the moment when its records are taken until it is durable; `within` counts steps by STEP_SECONDS.
    """

    records: int = 0
    cpu_seconds: float = 0.0
    steps: int = 0
    step_seconds: float = 0.0
    within: list[int] = msgspec.field(default_factory=lambda: [0] * (len(STEP_SECONDS) + 1))

    def took(self, seconds: float) -> None:
        """Count a step that took so long."""
        self.steps += 1
        self.step_seconds += seconds
        self.within[bisect_left(STEP_SECONDS, seconds)] += 1

    def quantile(self, share: float) -> float:
        """Return the bound, s, within which this share of the steps lies: 0 without any, infinite beyond the last bucket."""
        bounds = (*STEP_SECONDS, math.inf)
        passed = list(accumulate(self.within))
        return bounds[bisect_left(passed, share * self.steps)] if self.steps else 0.0


class RoomCosts:
    """The costs of the rooms of one owner, by name; `misrouting` has what they met in the wrong partition."""

    def __init__(self, hosting: Hosting, ownership: Ownership) -> None:
        self.by_room = {room.name: RoomCost() for room in hosting.rooms}
        self._rooms = hosting.rooms
        self._ownership = ownership
        self.misrouting = MisroutingReport()

    def lags(self, consumer: AIOKafkaConsumer) -> dict[str, int]:
        """Return how many records of its claims each room has not decided durably, as far as this process knows of them."""
        tps, durable = self._ownership.claimed_tps(consumer), self._ownership.durable
        return {room.name: durable.lag_of(room, consumer, tps) for room in self._rooms}

    def decided(self, room: str, records: int, cpu_seconds: float) -> None:
        """Count what a room decided in a step."""
        cost = self.by_room[room]
        cost.records += records
        cost.cpu_seconds += cpu_seconds

    def durable(self, parts: Sequence[PartitionBatch[Any]]) -> None:
        """Count a step that has just become durable, for each room that has a part in it."""
        now = time.monotonic()
        for room, began in {part.room.name: part.began for part in parts}.items():
            self.by_room[room].took(now - began)

    def report(self) -> None:
        """Log what each room has cost."""
        for room, cost in self.by_room.items():
            log.info(
                "room_cost",
                room=room,
                records=cost.records,
                cpu_ms=round(cost.cpu_seconds * 1000),
                steps=cost.steps,
                step_ms_p50=cost.quantile(0.5) * 1000,
                step_ms_p99=cost.quantile(0.99) * 1000,
            )
