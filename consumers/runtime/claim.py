"""The right to decide about a partition: a claim for each room, and what the rooms of one process have in common there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import structlog

from consumers.errors import UnknownRulesError
from topology.rules import NEWEST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.runtime.room import Room

log = structlog.get_logger()

S = TypeVar("S")


class Claim(msgspec.Struct, Generic[S], eq=False):
    """One room's right to decide about a partition under `epoch`, and how far it is decided, which is ahead of the database.

    `at_ms` is the latest append time decided (ms since the epoch, UTC); `batch` numbers the batches of the partition;
    `last_record` is the digest of the last record decided (log_identity.py), empty before one; `endangered` are the keys of levels
    that the earlier owner may still deliver; `rules_version` is the version of the decision rules in force there (topology/rules.py).

    Records that concern the room in nothing are passed over: since its last batch, from `passed_from` on, the first of them
    at `passed_at` (monotonic, s). `held` are the DecodedSlices that a room which gathers has not decided yet, from `held_at` on.
    While it `is_paused` the room decides nothing there (pausing.py).
    """

    partition: int
    epoch: int
    next_offset: int
    at_ms: int
    batch: int
    state: S
    last_record: str = ""
    endangered: frozenset[bytes] = frozenset()
    rules_version: int = 0
    passed_from: int | None = None
    passed_at: float = 0.0
    held: list[Any] = []
    held_at: float = 0.0
    is_paused: bool = False

    def return_to(self, next_offset: int, at_ms: int, batch: int) -> None:
        """Go back to a position in the database; what was passed over beyond it is read again."""
        self.next_offset, self.at_ms, self.batch, self.passed_from = next_offset, at_ms, batch, None
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

    def pass_over(self, following: int, now: float) -> None:
        """Move on to offset `following` without a batch."""
        if self.passed_from is None:
            self.passed_from, self.passed_at = self.next_offset, now
        self.next_offset = following

    @property
    def committing_offset(self) -> int:
        """Where the room's last batch ended: from there on records were passed over only."""
        return self.next_offset if self.passed_from is None else self.passed_from


class HostedPartition(msgspec.Struct, eq=False):
    """One partition of the log that the rooms of a process read, claimed for each of the rooms, in their order.

    `next_offset` is how far its records were handed to the rooms. A room that is ahead of the others at the claim leaves out
    what it has decided already. Below `thorough_below` rooms load all that their messages touch: there a unique violation
    showed that they must.
    """

    partition: int
    claims: list[Claim[Any]]
    next_offset: int
    thorough_below: int = 0

    @property
    def is_paused(self) -> bool:
        """Whether all rooms are paused here, so that nothing is read."""
        return all(claim.is_paused for claim in self.claims)

    def begin_again(self) -> None:
        """Go back to what a room has held and not decided; the other rooms leave out what they have."""
        for claim in self.claims:
            claim.take_held()
        self.next_offset = least_offset(self.claims)

    @property
    def is_thorough(self) -> bool:
        """Tell whether records are decided that a unique violation sent back."""
        return self.next_offset < self.thorough_below


def least_offset(claims: Iterable[Claim[Any]]) -> int:
    """Return the position of the room that is furthest behind. One that is paused is gone back to when it resumes, unless all are."""
    return min((claim.is_paused, claim.next_offset) for claim in claims)[1]


def adopt_rules(room: Room[Any], claim: Claim[Any], version: int) -> None:
    """Decide by this version from here on, unless a later one is in force. Raises UnknownRulesError for one to come."""
    if version > NEWEST:
        raise UnknownRulesError(room.name, claim.partition, version, NEWEST)
    if version > claim.rules_version:
        claim.rules_version = version
        log.info("rules_adopted", room=room.name, partition=claim.partition, version=version)
    room.rules_adopted(claim.state, claim.rules_version)
