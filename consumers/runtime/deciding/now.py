"""What a decision knows of time: the record's append time, and how long rooms wait from it."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas import limits


class Deadlines(msgspec.Struct, frozen=True):
    """How long each wait for an outside fact may last, in ms. Only tests have others than these (schemas/limits.py)."""

    gather_ms: int = limits.GATHER_MS
    action_ms: int = limits.ACTION_SECONDS * 1000
    ship_within_ms: int = limits.SHIP_WITHIN_MS
    delivery_presumed_ms: int = limits.DELIVERY_PRESUMED_MS
    return_window_ms: int = limits.RETURN_WINDOW_MS
    return_answer_ms: int = limits.RETURN_ANSWER_MS
    return_arrival_ms: int = limits.RETURN_ARRIVAL_MS


DEADLINES: Final = Deadlines()


class Now(msgspec.Struct, frozen=True, gc=False):
    """The record's append time, in ms since the epoch (UTC), which never steps back in a partition, and the deadlines."""

    at_ms: int
    deadlines: Deadlines = DEADLINES
