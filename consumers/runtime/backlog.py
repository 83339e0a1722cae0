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

    from consumers.runtime.batch import Claim

READ_AHEAD_RECORDS: Final = 5_000
"""Records that are taken from aiokafka at once: one hot partition's fetch of a mebibyte is about as many orders."""


class Portion(NamedTuple):
    """Records of one partition, and the claim under which they were read.

    `next` is the offset after all that was read: beyond the last record, where none is to be read of what follows it.
    """

    tp: TopicPartition
    claim: Claim[Any]
    records: Sequence[Any]
    next: int


class Backlog:
    """Fetched records in their order. What was read under an earlier claim is left out: the new one reads it again."""

    def __init__(self) -> None:
        self._waiting: deque[Portion] = deque()

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._waiting)

    def put(self, portions: Iterable[Portion]) -> None:
        """Take in what was fetched."""
        self._waiting.extend(portions)

    def take(self, limit: int, claims: Mapping[int, Claim[Any]]) -> list[Portion]:
        """Return the next records, at most `limit`, in as few partitions as they come in."""
        taken: list[Portion] = []
        while self._waiting and limit > 0:
            portion = self._waiting.popleft()
            if claims.get(portion.tp.partition) is not portion.claim:
                continue
            if len(portion.records) > limit:
                first, rest = portion.records[:limit], portion.records[limit:]
                self._waiting.appendleft(portion._replace(records=rest))
                portion = portion._replace(records=first, next=rest[0].offset)
            limit -= len(portion.records)
            taken.append(portion)
        return taken
