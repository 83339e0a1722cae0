"""When an owner appends the command that ends what is over: the command in the log decides, not this clock.

What stands here are hints of when to ask. So a hint that is too early costs a command that ends nothing, and none may be
too late: whatever waits in the database or in memory ends no earlier than `DeadlineTimer.earliest_ms`.
"""

from __future__ import annotations

from typing import Final

import msgspec

REMIND_AGAIN_MS: Final = 5_000
"""How long the log is given to answer, before the same is asked for again."""


class DeadlineTimer(msgspec.Struct):
    """When the first wait of a partition may be over, in ms since the epoch (UTC); None while nothing waits."""

    earliest_ms: int | None = None
    rang_at_ms: int = 0

    def expect(self, end_ms: int) -> None:
        """Learn of one more wait, and when it ends."""
        if self.earliest_ms is None or end_ms < self.earliest_ms:
            self.earliest_ms = end_ms

    def due(self, now_ms: int) -> bool:
        """Tell whether to ask for an end of what is over at `now_ms`; not again before the log had time to answer."""
        if self.earliest_ms is None or now_ms < max(self.earliest_ms, self.rang_at_ms + REMIND_AGAIN_MS):
            return False
        self.rang_at_ms = now_ms
        return True

    def answered(self) -> None:
        """The log has answered: whatever is still over may be asked for at once."""
        self.rang_at_ms = 0


class DeadlineIndex(DeadlineTimer):
    """The alarm of a room whose orders have deadlines, with those that are in memory."""

    ends_ms: dict[str, int] = {}

    def put(self, order_id: str, end_ms: int | None) -> None:
        """Note until when an order waits now; None: it waits for nothing that time ends."""
        if end_ms is None:
            self.ends_ms.pop(order_id, None)
            return
        self.ends_ms[order_id] = end_ms
        self.expect(end_ms)

    def due(self, as_of_ms: int, limit: int) -> list[str]:
        """Return the first `limit` orders whose wait was over, ordered by (its end, order id) as the tables are."""
        over = [(end_ms, order_id) for order_id, end_ms in self.ends_ms.items() if end_ms <= as_of_ms]
        return [order_id for _, order_id in sorted(over)[:limit]]

    def expect_what_is_left(self, as_of_ms: int) -> None:
        """Ask again for what was over at `as_of_ms` and has not ended: beyond the limit, or not yet by the log's own time."""
        if left := [end_ms for end_ms in self.ends_ms.values() if end_ms <= as_of_ms]:
            self.expect(min(left))

    def forget(self) -> None:
        """Empty the memory; when to ask stays known."""
        self.ends_ms.clear()
