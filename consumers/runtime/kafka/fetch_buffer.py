"""What was fetched and is not decided yet, taken in slices.

aiokafka fetches again only once all that it fetched is taken. So all is taken at once, and the next fetch is under way
while the slices of this one are decided.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consumers.runtime.claim import HostedPartition
    from consumers.runtime.deciding.batch import FetchedSlice

READ_AHEAD_RECORDS: Final = 10_000
"""Records that are taken from aiokafka at once: one hot partition's fetch of a mebibyte is half as many orders."""


class FetchBuffer:
    """Fetched records in their order, each of which is decided exactly at its claim's position or dropped.

    A slice is dropped when its partition is revoked, when it was fetched under an earlier claim, and when its claim's position
    is elsewhere than where it begins. Its partition must then be fetched again from the claim's position.
    """

    def __init__(self) -> None:
        self._slices: deque[FetchedSlice] = deque()
        self._dropped: list[FetchedSlice] = []

    def __bool__(self) -> bool:
        """Tell whether it holds anything."""
        return bool(self._slices)

    def put(self, fetched: Iterable[FetchedSlice]) -> None:
        """Add what was fetched."""
        self._slices.extend(fetched)

    def revoke(self, partitions: Iterable[int]) -> None:
        """Drop what was fetched of these partitions: whoever owns them next fetches from the position of their claim."""
        revoked = set(partitions)
        self._slices = deque(each for each in self._slices if each.tp.partition not in revoked)

    def dropped(self) -> list[FetchedSlice]:
        """Return, once, what `take` left out since the last call."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def take(self, limit: int, claims: Mapping[int, HostedPartition]) -> list[FetchedSlice]:
        """Return the next records, at most `limit`, in as few slices as they come in."""
        taken: list[FetchedSlice] = []
        while self._slices and limit > 0:
            fetched = self._slices.popleft()
            claim = fetched.claim
            if claims.get(claim.partition) is not claim or claim.next_offset != fetched.first:
                self._dropped.append(fetched)
                continue
            if len(fetched.records) > limit:
                records, rest = fetched.records[:limit], fetched.records[limit:]
                self._slices.appendleft(fetched._replace(records=rest, first=rest[0].offset))
                fetched = fetched._replace(records=records, next=rest[0].offset)
            limit -= len(fetched.records)
            taken.append(fetched)
        return taken
