"""A whole order as one record, which is what an orchestrator wants, and the one thing that it says of it in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from consumers.payments.processor import Operation, OperationKind
from schemas.codec.wire import encode
from schemas.messages import OrderCancelled, OrderedLine, OrderPaid, OrderRejected

if TYPE_CHECKING:
    pass


class Placed(msgspec.Struct, frozen=True, gc=False):
    """An order as it stands on the topic, as JSON, keyed by its id; its lines name each SKU once."""

    order_id: str
    customer_id: str
    payment_token: str
    currency: str
    hold_seconds: int
    lines: tuple[OrderedLine, ...]

    @property
    def amount_minor(self) -> int:
        return sum(line.amount_minor for line in self.lines)

    @property
    def demand(self) -> tuple[list[str], list[int]]:
        """SKUs and quantities, in one order of SKUs for all orders, so that two do not wait for each other."""
        lines = sorted(self.lines, key=lambda line: line.sku)
        return [line.sku for line in lines], [line.quantity for line in lines]

    def operation(self, kind: OperationKind, authorization_id: str = "") -> Operation:
        """Return what is asked of the processor, under the same id whenever it is asked."""
        return Operation(
            f"{self.order_id}:{kind}",
            self.order_id,
            kind,
            self.amount_minor,
            self.currency,
            self.payment_token,
            self.customer_id,
            authorization_id,
        )

    def paid(self) -> bytes:
        return encode(OrderPaid(self.order_id, self.amount_minor, self.currency, self.lines))

    def rejected(self, reason: str) -> bytes:
        return encode(OrderRejected(self.order_id, reason))

    def cancelled(self, reason: str) -> bytes:
        return encode(OrderCancelled(self.order_id, reason))

    def outcome(self, ending: str) -> bytes:
        """Return the event of an ending: `paid`, or `rejected` or `cancelled` and why, with a colon between."""
        what, _, reason = ending.partition(":")
        return self.paid() if what == "paid" else getattr(self, what)(reason)


class Order(msgspec.Struct, frozen=True, gc=False):
    """A placed order, where it came from and how long its goods are held."""

    place: tuple[int, int]
    placed: Placed
    expires_at_ms: int

    @property
    def row(self) -> tuple[Any, ...]:
        """What is written down of it before anything is done."""
        placed = self.placed
        lines = msgspec.json.encode(placed.lines).decode()
        return (
            placed.order_id,
            placed.customer_id,
            placed.payment_token,
            placed.currency,
            placed.amount_minor,
            lines,
            self.expires_at_ms,
        )


_DECODER = msgspec.json.Decoder(Placed)


def order_of(record: Any) -> Order:
    """Return the order in a record."""
    placed = _DECODER.decode(record.value)
    return Order((record.partition, record.offset), placed, record.timestamp + placed.hold_seconds * 1000)
