"""Commands about stock itself: units come in, counts are corrected, sales are limited, suspended, ended.

Each command takes effect once, however often it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from producers.errors import InvalidReceiptError, InvalidStockCommandError
from producers.publisher import BY_KEY, Outgoing
from schemas.codec import wire
from schemas.ids import new_order_id
from schemas.limits import MAX_QUANTITY
from schemas.messages import ReceiveStock, SkuCommand
from schemas.validation import find_fault
from topology.topics import INVENTORY_COMMANDS, key_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from producers.publisher import Publisher


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one SKU that came in. Two receipts with one `command_id` are one; a new one has an id of its own."""

    sku: str
    quantity: int
    command_id: str = msgspec.field(default_factory=lambda: f"receipt/{new_order_id()}")


def receipts_of(delivery: str, quantities: Mapping[str, int]) -> list[Receipt]:
    """Return the receipts of a whole delivery (units by SKU), with ids that derive from it.

    The same delivery makes the same ids, so it may be sent again; and no two deliveries share one, for `delivery` has
    no slash. No units of a SKU are no receipt; more than one command carries become several. Raises InvalidReceiptError.
    """
    if not delivery or "/" in delivery:
        raise InvalidReceiptError(f"the delivery is named {delivery!r}; give it a name without a slash")
    return [
        Receipt(sku=sku, quantity=part, command_id=f"{delivery}/{number}/{sku}")
        for sku, quantity in quantities.items()
        for number, part in enumerate(_parts(quantity), start=1)
    ]


def receive_stock(receipt: Receipt) -> ReceiveStock:
    """Return the command for a receipt. Raises InvalidReceiptError."""
    command = ReceiveStock(receipt.command_id, receipt.sku, receipt.quantity)
    if (fault := find_fault(command)) is not None:
        raise InvalidReceiptError(f"{receipt.sku[:64]}: {fault.detail}")
    return command


def new_command_id(kind: str) -> str:
    """Return an id for a new command. Whoever sends a command again must send it under the id that it has."""
    return f"{kind}/{new_order_id()}"


def check_stock_command(command: SkuCommand) -> None:
    """Raise InvalidStockCommandError for a command that would become a dead letter, with the field and what is wrong."""
    if (fault := find_fault(command)) is not None:
        raise InvalidStockCommandError(fault.detail)


class StockClient:
    """Speaks about stock through a publisher that its owner opens and closes."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def receive(self, receipts: Sequence[Receipt]) -> None:
        """Publish the receipts and return when Kafka has acknowledged them. Sending one again changes nothing.

        Raises InvalidReceiptError before anything is published, and PublishError.
        """
        await self._publish([receive_stock(receipt) for receipt in receipts])

    async def send(self, commands: Sequence[SkuCommand]) -> None:
        """Publish the commands and return when Kafka has acknowledged them. Sending one again changes nothing.

        Raises InvalidStockCommandError before anything is published, and PublishError.
        """
        for command in commands:
            check_stock_command(command)
        await self._publish(commands)

    async def _publish(self, commands: Sequence[SkuCommand]) -> None:
        await self._publisher.publish(
            [Outgoing(INVENTORY_COMMANDS.name, BY_KEY, key_of(command), wire.encode(command)) for command in commands]
        )


def _parts(quantity: int) -> list[int]:
    if quantity < 0:
        raise InvalidReceiptError(f"{quantity} units cannot come in; give 0 or more")
    full, rest = divmod(quantity, MAX_QUANTITY)
    return [MAX_QUANTITY] * full + [rest] * (rest > 0)
