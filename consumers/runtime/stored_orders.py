"""Which orders may have a row that memory lacks. What cannot have one is decided without a look-up.

An order's id carries its time. The rows of a partition that are dated later than the log's time are few: those of clients whose
clocks run ahead. Their ids are read at the claim. Whatever row comes into being later is written by the owner of the claim,
so its memory has it; when the memory is emptied, the log's time moves on and the ids dated later than that are kept.

Decisions: docs/decisions, 038.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.ids import TIME_DIGITS, id_time

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MOST_AHEAD: Final = 1_000
"""Ids of one partition that are kept at most; where more are dated ahead of the log, the horizon moves behind all of them."""
_NEVER: Final = "~"
"""Sorts behind every id: everything is looked up."""


class StoredOrders:
    """What is known of the rows of one partition that are not in memory. Before `begin` each order may have one."""

    def __init__(self) -> None:
        self._horizon = _NEVER
        self._ahead: frozenset[str] = frozenset()

    def begin(self, at_ms: int, ahead: Iterable[str]) -> None:
        """Know all rows dated later than `at_ms`, the log's time: these are their ids, up to one more than MOST_AHEAD."""
        self._horizon = id_time(at_ms)
        self._keep(ahead)

    def forget(self, at_ms: int, in_memory: Collection[str]) -> None:
        """Go on without what was in memory; `at_ms` is the log's time by now."""
        if self._horizon != _NEVER:
            known = [*self._ahead, *in_memory]
            self._horizon = max(self._horizon, id_time(at_ms))
            self._keep(known)

    def may_have(self, order_id: str) -> bool:
        """Tell whether an order that memory lacks may have a row."""
        return order_id[:TIME_DIGITS] <= self._horizon or order_id in self._ahead

    def _keep(self, known: Iterable[str]) -> None:
        ahead = frozenset(order_id for order_id in known if order_id[:TIME_DIGITS] > self._horizon)
        if len(ahead) > MOST_AHEAD:
            self._horizon, ahead = max(ahead)[:TIME_DIGITS], frozenset()
        self._ahead = ahead
