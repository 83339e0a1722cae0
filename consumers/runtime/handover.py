"""How long a partition is unavailable when it changes hands, logged once for each claim with its first commit.

Decision: docs/decisions, 009.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.runtime.claim import Claim
    from consumers.runtime.deciding.batch import PartitionBatch

log = structlog.get_logger()


class _Handover(msgspec.Struct):
    """One claim until its first commit. `assigned_at` and `claimed_at` are of the monotonic clock (s)."""

    claim: Claim[Any]
    assigned_at: float
    claimed_at: float
    silent_seconds: float | None
    first_record_ms: int | None = None


class HandoverTimer:
    """Times one room's handovers.

    `unavailable_s` is how long there was work that nobody did: since the last commit of whoever owned the partition
    before (`silent_s`, by the database's clock), or since the oldest record that waited was appended (`waited_s`, by
    the broker's clock and ours), whichever was later. `claim_s` is the time from the assignment to the claim, `decide_s` from
    there to the first commit.
    """

    def __init__(self, room: str) -> None:
        self._room = room
        self._assigned_at: dict[int, float] = {}
        self._open: dict[int, _Handover] = {}

    def assigned(self, partitions: Iterable[int]) -> None:
        """Note that Kafka assigned partitions without a claim here."""
        self._assigned_at.update(dict.fromkeys(partitions, time.monotonic()))

    def claimed(self, claim: Claim[Any], silent_seconds: float | None) -> None:
        """Note a new claim; `silent_seconds` is None where nobody has ever decided."""
        now = time.monotonic()
        assigned_at = self._assigned_at.pop(claim.partition, now)
        self._open[claim.partition] = _Handover(claim, assigned_at, now, silent_seconds)

    def read(self, claim: Claim[Any], first_record_ms: int) -> None:
        """Note that records are about to be decided, and when the first was appended."""
        handover = self._open.get(claim.partition)
        if handover is not None and handover.first_record_ms is None:
            handover.first_record_ms = first_record_ms

    def committed(self, parts: Iterable[PartitionBatch[Any]]) -> None:
        """Note that batches are durable."""
        if not self._open:
            return
        for part in parts:
            handover = self._open.get(part.claim.partition)
            if handover is not None and handover.claim is part.claim:
                del self._open[part.claim.partition]
                self._report(handover)

    def _report(self, handover: _Handover) -> None:
        now = time.monotonic()
        silent = None if handover.silent_seconds is None else handover.silent_seconds + now - handover.claimed_at
        waited = None if handover.first_record_ms is None else max(0.0, time.time() - handover.first_record_ms / 1000)
        log.info(
            "took_over",
            room=self._room,
            partition=handover.claim.partition,
            epoch=handover.claim.epoch,
            unavailable_s=_rounded(min((each for each in (silent, waited) if each is not None), default=None)),
            silent_s=_rounded(silent),
            waited_s=_rounded(waited),
            claim_s=_rounded(handover.claimed_at - handover.assigned_at),
            decide_s=_rounded(now - handover.claimed_at),
        )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
