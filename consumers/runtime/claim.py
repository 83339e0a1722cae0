"""The right to decide about a partition: a claim for each room, and what the rooms of one process have in common there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import structlog

from consumers.errors import UnknownRulesError
from topology.rules import NEWEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumers.runtime.room import Room

log = structlog.get_logger()

S = TypeVar("S")


class Claim(msgspec.Struct, Generic[S], eq=False):
    """One room's right to decide about a partition under `epoch`, and how far it is decided, which is ahead of the database.

    `next_offsets` has a position for each of the room's topics, in their order; `at_ms` is the latest append time decided
    (ms since the epoch, UTC); `batch` numbers the batches of the partition; `last_records` has the digest of the last record
    decided of each topic (log_identity.py); `endangered` are the keys of levels that the earlier owner may still deliver;
    `rules_version` is the version of the decision rules that is in force there (topology/rules.py).

    Records that concern the room in nothing are passed over: `passed` has their ranges, as (source, first, next) one after
    the other, since the room's last batch, and `passed_at` when the first of them came (monotonic, s). `held` are the DecodedSlices that a
    room which gathers has not decided yet, from `held_at` on. While it `is_paused` the room decides nothing there (pausing.py).
    """

    partition: int
    epoch: int
    next_offsets: list[int]
    at_ms: int
    batch: int
    state: S
    last_records: list[str] = []
    endangered: frozenset[bytes] = frozenset()
    rules_version: int = 0
    passed: list[int] = []
    passed_at: float = 0.0
    held: list[Any] = []
    held_at: float = 0.0
    is_paused: bool = False

    def return_to(self, next_offsets: Sequence[int], at_ms: int, batch: int) -> None:
        """Go back to a position in the database; what was passed over beyond it is read again."""
        self.next_offsets, self.at_ms, self.batch, self.passed = list(next_offsets), at_ms, batch, []
        self.held = []

    def hold(self, slices: Iterable[Any], now: float) -> None:
        """Keep what is to be decided together with what comes after it."""
        if not self.held:
            self.held_at = now
        self.held = [*self.held, *slices]

    def take_held(self) -> list[Any]:
        """Return what was held, to be decided now."""
        taken, self.held = self.held, []
        return taken

    def pass_over(self, source: int, first: int, following: int, now: float) -> None:
        """Move on without a batch."""
        if not self.passed:
            self.passed_at = now
        self.next_offsets = list(self.next_offsets)
        self.next_offsets[source] = following
        if self.passed and self.passed[-3] == source and self.passed[-1] == first:
            self.passed[-1] = following
        else:
            self.passed += (source, first, following)

    @property
    def committing_offsets(self) -> list[int]:
        """Where the room's last batch ended: from there on records were passed over only."""
        offsets = list(self.next_offsets)
        for at in range(len(self.passed) - 3, -1, -3):
            offsets[self.passed[at]] = self.passed[at + 1]
        return offsets


class HostedPartition(msgspec.Struct, eq=False):
    """One partition of all topics that the rooms of a process read, claimed for each of the rooms, in their order.

    `next_offsets` has how far the records of each topic were handed to the rooms. A room that is ahead of the others at the
    claim leaves out what it has decided already. Below `thorough_below` rooms load all that their messages touch: there
    a unique violation showed that they must.
    """

    partition: int
    claims: list[Claim[Any]]
    next_offsets: list[int]
    thorough_below: list[int] = []

    @property
    def is_paused(self) -> bool:
        """Whether all rooms are paused here, so that nothing is read."""
        return all(claim.is_paused for claim in self.claims)

    @property
    def is_thorough(self) -> bool:
        """Tell whether records are decided that a unique violation sent back."""
        return any(at < below for at, below in zip(self.next_offsets, self.thorough_below, strict=False))


def adopt_rules(room: Room[Any], claim: Claim[Any], version: int) -> None:
    """Decide by this version from here on, unless a later one is in force. Raises UnknownRulesError for one to come."""
    if version > NEWEST:
        raise UnknownRulesError(room.name, claim.partition, version, NEWEST)
    if version > claim.rules_version:
        claim.rules_version = version
        log.info("rules_adopted", room=room.name, partition=claim.partition, version=version)
    room.rules_adopted(claim.state, claim.rules_version)
