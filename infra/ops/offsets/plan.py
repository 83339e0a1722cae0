"""Where each partition's position would go, and what that has read again or left out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumers.lag.model import LogRange

Place = tuple[str, int]
"""A topic, as Kafka names it, and a partition of it."""


class Target(msgspec.Struct, frozen=True):
    """Where positions are to go: the first record that there is, the end, an offset, or the first record since a time.

    `value` is the offset, or the time in ms since the epoch, UTC.
    """

    kind: Literal["earliest", "latest", "offset", "time"]
    value: int = 0


class Move(msgspec.Struct, frozen=True):
    """One partition's position, where it goes, and the time of the record there (ms since the epoch; None: none, or not read).

    Offsets are counted, some of which may be markers of transactions, or compacted.
    """

    topic: str
    partition: int
    position: int
    to: int
    first_at_ms: int | None = None

    @property
    def redone(self) -> int:
        """How many offsets are read a second time."""
        return max(0, self.position - self.to)

    @property
    def skipped(self) -> int:
        """How many offsets are never read."""
        return max(0, self.to - self.position)


def destination(target: Target, log: LogRange, since: int | None) -> int:
    """Return the offset for a target, kept within the log; `since` is the first one since the target's time, None for none."""
    match target.kind:
        case "earliest":
            return log.start
        case "latest":
            return log.end
        case "offset":
            return min(max(target.value, log.start), log.end)
        case "time":
            return log.end if since is None else min(max(since, log.start), log.end)


def moves_of(
    positions: Mapping[Place, int], logs: Mapping[Place, LogRange], target: Target, since: Mapping[Place, int]
) -> list[Move]:
    """Return what changes, by topic and partition; a partition without a position, or that stands there already, is left."""
    moves = []
    for place in sorted(positions.keys() & logs.keys()):
        to = destination(target, logs[place], since.get(place))
        if to != positions[place]:
            moves.append(Move(*place, positions[place], to))
    return moves


def detail_of(moves: Sequence[Move], limit: int) -> str:
    """Return the moves for the note on operator.actions, in at most `limit` characters; what does not fit is counted."""
    shown = ""
    for number, move in enumerate(moves):
        text = f"{move.topic}/{move.partition}: {move.position} -> {move.to}"
        rest = f", and {len(moves) - number} more"
        if len(shown) + len(text) + len(rest) + 2 > limit:
            return shown + rest
        shown += f"{', ' if shown else ''}{text}"
    return shown
