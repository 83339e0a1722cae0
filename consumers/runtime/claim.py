"""A claim: the right of one owner to decide about one partition, and its position."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

S = TypeVar("S")


class Claim(msgspec.Struct, Generic[S], eq=False):
    """The right to decide about one partition under `epoch`, and how far it is decided, which is ahead of the database.

    `next_offsets` has a position for each of the room's topics, in their order; `at_ms` is the latest append time decided
    (ms since the epoch, UTC); `batch` numbers the batches of the partition; `last_records` has the digest of the last record
    decided of each topic (log_identity.py); `endangered` are the keys of levels that the earlier owner may still deliver;
    `rules_version` is the version of the decision rules that is in force there (topology/rules.py).
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
