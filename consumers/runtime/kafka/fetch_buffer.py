"""What was fetched and is not decided yet, taken in portions.

aiokafka fetches again only once all that it fetched is taken. So all is taken at once, and the next fetch is under way
while the portions of this one are decided.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka import TopicPartition

    from consumers.runtime.deciding.batch import Claim

READ_AHEAD_RECORDS: Final = 5_000
"""Records that are taken from aiokafka at once: one hot partition's fetch of a mebibyte is about as many orders."""


class FetchedSlice(NamedTuple):
    """What one fetch returned of one partition, and the claim under which it was fetched.

    `first` and `next` (exclusive) are fetch positions: before the first record and after the last one there may be offsets
    without a record (a transaction's marker, aborted records). `source` is the topic's place among the room's sources.
    """

    tp: TopicPartition
    source: int
    claim: Claim[Any]
    records: Sequence[Any]
    first: int
    next: int


class FetchBuffer:
    """Fetched records in their order, each of which is decided exactly at its claim's position or dropped.

    A portion is dropped when its partition is revoked, when it was fetched under an earlier claim, and when its claim
    stands elsewhere than where it begins. Whoever takes portions must then fetch again from the claim's position.
    """

    def __init__(self) -> None:
        self._waiting: deque[FetchedSlice] = deque()
        self._dropped: list[FetchedSlice] = []

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._waiting)

    def put(self, portions: Iterable[FetchedSlice]) -> None:
        """Take in what was fetched."""
        self._waiting.extend(portions)

    def revoke(self, partitions: Iterable[int]) -> None:
        """Drop what was fetched of these partitions: whoever owns them next fetches from the position of their claim."""
        lost = set(partitions)
        self._waiting = deque(portion for portion in self._waiting if portion.tp.partition not in lost)

    def dropped(self) -> list[FetchedSlice]:
        """Return, once, what `take` left out since the last call."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def take(self, limit: int, claims: Mapping[int, Claim[Any]]) -> list[FetchedSlice]:
        """Return the next records, at most `limit`, in as few partitions as they come in."""
        taken: list[FetchedSlice] = []
        while self._waiting and limit > 0:
            portion = self._waiting.popleft()
            claim = portion.claim
            if claims.get(claim.partition) is not claim or claim.next_offsets[portion.source] != portion.first:
                self._dropped.append(portion)
                continue
            if len(portion.records) > limit:
                records, rest = portion.records[:limit], portion.records[limit:]
                self._waiting.appendleft(portion._replace(records=rest, first=rest[0].offset))
                portion = portion._replace(records=records, next=rest[0].offset)
            limit -= len(portion.records)
            taken.append(portion)
        return taken
