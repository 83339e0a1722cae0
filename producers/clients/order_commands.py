"""Commands about an order after it was placed: cancel it, ship it, take it back, give money back.

Each command takes effect once, however often it is sent: what it names (a shipment, a return, a refund) has an id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from producers.errors import InvalidOrderCommandError
from producers.publisher import BY_KEY, Outgoing
from schemas.codec import wire
from schemas.messages import (
    ApproveReturn,
    CancelOrder,
    ConfirmDelivery,
    ReceiveReturn,
    RefundOrder,
    RefuseReturn,
    ReportLostParcel,
    RequestReturn,
    ResolveOrder,
    RetryOrder,
    ShipOrder,
)
from schemas.validation import find_fault
from topology.topics import ORDER_COMMANDS, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.publisher import Publisher

OrderCommand: TypeAlias = (
    CancelOrder
    | ShipOrder
    | ConfirmDelivery
    | ReportLostParcel
    | RequestReturn
    | ApproveReturn
    | RefuseReturn
    | ReceiveReturn
    | RefundOrder
    | RetryOrder
    | ResolveOrder
)

CUSTOMER: Final = "customer"
MERCHANT: Final = "merchant"
OPERATOR: Final = "operator"


def check_order_command(command: OrderCommand) -> None:
    """Raise InvalidOrderCommandError for a command that would become a dead letter, with the field and what is wrong."""
    if (fault := find_fault(command)) is not None:
        raise InvalidOrderCommandError(fault.detail)


class OrderCommandClient:
    """Speaks about orders through a publisher that its owner opens and closes."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def send(self, commands: Sequence[OrderCommand]) -> None:
        """Publish the commands and return when Kafka has acknowledged them. Sending one again changes nothing.

        Raises InvalidOrderCommandError before anything is published, and PublishError.
        """
        for command in commands:
            check_order_command(command)
        await self._publisher.publish(
            [Outgoing(ORDER_COMMANDS.name, BY_KEY, key_of(command), wire.encode(command)) for command in commands]
        )
