"""What was fetched and is not decided yet, taken in portions.

aiokafka fetches again only once all that it fetched is taken. So all is taken at once, and the next fetch is under way
while the portions of this one are decided.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import TopicPartition

    from consumers.runtime.batch import Claim

READ_AHEAD_RECORDS: Final = 5_000
"""Records that are taken from aiokafka at once: one hot partition's fetch of a mebibyte is about as many orders."""


class Portion(NamedTuple):
    """Records of one partition, and the claim under which they were read."""

    tp: TopicPartition
    claim: Claim[Any]
    records: Sequence[Any]


class Backlog:
    """Fetched records in their order. What was read under an earlier claim is left out: the new one reads it again."""

    def __init__(self) -> None:
        self._waiting: deque[Portion] = deque()

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._waiting)

    def put(self, fetched: Mapping[TopicPartition, Sequence[Any]], claims: Mapping[int, Claim[Any]]) -> None:
        """Take in what was fetched of the partitions that are claimed."""
        for tp, records in fetched.items():
            if records and (claim := claims.get(tp.partition)) is not None:
                self._waiting.append(Portion(tp, claim, records))

    def take(self, limit: int, claims: Mapping[int, Claim[Any]]) -> list[Portion]:
        """Return the next records, at most `limit`, in as few partitions as they come in."""
        taken: list[Portion] = []
        while self._waiting and limit > 0:
            portion = self._waiting.popleft()
            if claims.get(portion.tp.partition) is not portion.claim:
                continue
            if len(portion.records) > limit:
                self._waiting.appendleft(portion._replace(records=portion.records[limit:]))
                portion = portion._replace(records=portion.records[:limit])
            limit -= len(portion.records)
            taken.append(portion)
        return taken
