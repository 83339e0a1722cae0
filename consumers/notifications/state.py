"""The state that notifications keeps: what the open batch of one partition notifies of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.messages import OrderNotification


class NotificationsState:
    """One partition's open batch; a notification needs no memory, as its id follows from what it is about."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.notifications: list[OrderNotification] = []

    def take_notifications(self) -> list[OrderNotification]:
        """Return the open batch's notifications, and begin the next batch."""
        taken, self.notifications = self.notifications, []
        return taken
