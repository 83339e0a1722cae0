"""When an owner appends the command that ends what has passed its deadline: the command in the log decides, not this clock.

The timers are hints of when to append it. One that is too early costs a command that ends nothing, and none may be too late:
no deadline in the database or in memory is earlier than `DeadlineTimer.earliest_ms`.
"""

from __future__ import annotations

from typing import Final

import msgspec

REMIND_AGAIN_MS: Final = 5_000
"""Time for the command to be decided, before another one is appended for the same deadlines."""


class DeadlineTimer(msgspec.Struct):
    """The earliest deadline of a partition, in ms since the epoch (UTC); None while there is none."""

    earliest_ms: int | None = None
    asked_at_ms: int = 0

    def expect(self, end_ms: int) -> None:
        """Add one more deadline."""
        if self.earliest_ms is None or end_ms < self.earliest_ms:
            self.earliest_ms = end_ms

    def due(self, now_ms: int) -> bool:
        """Tell whether to append a command at `now_ms`; not again before the last one had time to be decided."""
        next_ms = self.next_ms()
        if next_ms is None or now_ms < next_ms:
            return False
        self.asked_at_ms = now_ms
        return True

    def next_ms(self) -> int | None:
        """Return when a command is due next, in ms since the epoch (UTC); None while there is no deadline."""
        return None if self.earliest_ms is None else max(self.earliest_ms, self.asked_at_ms + REMIND_AGAIN_MS)

    def answered(self) -> None:
        """The command was decided: the next one may be appended at once."""
        self.asked_at_ms = 0


class DeadlineIndex(DeadlineTimer):
    """The timer of a room whose orders have deadlines, with the deadlines of the orders in memory."""

    ends_ms: dict[str, int] = {}

    def put(self, order_id: str, end_ms: int | None) -> None:
        """Set an order's deadline; None: it has none."""
        if end_ms is None:
            self.ends_ms.pop(order_id, None)
            return
        self.ends_ms[order_id] = end_ms
        self.expect(end_ms)

    def overdue(self, as_of_ms: int, limit: int) -> list[str]:
        """Return the first `limit` orders whose deadline had passed, ordered by (deadline, order id) as the tables are."""
        over = [(end_ms, order_id) for order_id, end_ms in self.ends_ms.items() if end_ms <= as_of_ms]
        return [order_id for _, order_id in sorted(over)[:limit]]

    def expect_what_is_left(self, as_of_ms: int) -> None:
        """Expect again what had passed at `as_of_ms` and has not ended: beyond the limit, or not yet by the log's own time."""
        if left := [end_ms for end_ms in self.ends_ms.values() if end_ms <= as_of_ms]:
            self.expect(min(left))

    def forget(self) -> None:
        """Empty the memory; the earliest deadline stays known."""
        self.ends_ms.clear()
