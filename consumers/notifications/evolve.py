"""How a notification changes the open batch: the only writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.notifications.state import NotificationsState
    from consumers.runtime.deciding.now import Now
    from schemas.messages import Message, OrderNotification


def evolve(state: NotificationsState, event: Message, outcomes: Sequence[OrderNotification], now: Now) -> bool:
    """Add the event's notification to the batch. Return whether there is one."""
    del event, now
    state.notifications += outcomes
    return bool(outcomes)
