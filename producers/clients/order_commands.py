"""What the outside says about an order after it was placed: cancel it, ship it, take it back, give money back.

Each command takes effect once, however often it is sent: what it names (a shipment, a return, a refund) has an id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from producers.clients.requests import require_text
from producers.errors import InvalidOrderCommandError
from producers.publisher import BY_KEY, Outgoing
from schemas.codec import wire
from schemas.ids import is_order_id
from schemas.limits import MAX_LINES
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
CANCELLED_BY: Final = (CUSTOMER, MERCHANT)
DISPOSITIONS: Final = ("available", "quarantine")
"""Where returned units go: back on sale, or where nobody may sell them."""

_TEXTS: Final = (
    "shipment_id",
    "return_id",
    "refund_id",
    "carrier",
    "tracking",
    "reason",
    "requested_by",
    "note",
)


def check_order_command(command: OrderCommand) -> None:
    """Raise InvalidOrderCommandError for a command that no room could even read."""
    name = type(command).__name__
    if not is_order_id(command.order_id):
        raise InvalidOrderCommandError(
            f"order_id is {command.order_id[:64]!r}; give the UUIDv7 of 36 lower-case characters that placed the order"
        )
    for field in _TEXTS:
        if (text := getattr(command, field, None)) is not None:
            require_text(InvalidOrderCommandError, f"the {field} of {name}", text)
    lines: tuple[int, ...] = getattr(command, "lines", ())
    if len(set(lines)) != len(lines) or not all(0 < line <= MAX_LINES for line in lines):
        raise InvalidOrderCommandError(f"the lines of {name} are {lines}; give each number once, 1 to {MAX_LINES:,}")
    if isinstance(command, CancelOrder) and command.requested_by not in CANCELLED_BY:
        raise InvalidOrderCommandError(
            f"requested_by is {command.requested_by!r}; give one of {', '.join(CANCELLED_BY)}"
        )
    if isinstance(command, ReceiveReturn) and command.disposition not in DISPOSITIONS:
        raise InvalidOrderCommandError(f"disposition is {command.disposition!r}; give one of {', '.join(DISPOSITIONS)}")
    if isinstance(command, RefundOrder) and command.amount_minor <= 0:
        raise InvalidOrderCommandError(f"amount_minor is {command.amount_minor}; give 1 or more minor units")


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
