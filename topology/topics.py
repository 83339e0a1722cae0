"""The topics, as data: what each carries, how it is keyed, how long it is kept (DESIGN: the law of keys).

A message is keyed by the thing whose state it may change: a SKU or an order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from schemas import messages as m

DEFAULT_PARTITIONS: Final = 12
DAY_MS: Final = 24 * 60 * 60 * 1000
FOREVER: Final = -1
"""`retention.ms` of a topic that Kafka never deletes from by age."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `key` names the message field that is the record's key; `retention_ms` is Kafka's `retention.ms`."""

    name: str
    key: str
    carries: tuple[type[m.Message], ...]
    partitions: int = DEFAULT_PARTITIONS
    cleanup_policy: str = "delete"
    retention_ms: int = FOREVER
    timestamp_type: str = "LogAppendTime"
    extra: dict[str, str] = field(default_factory=dict)


INVENTORY_COMMANDS: Final = Topic(
    "inventory.commands",
    key="sku",
    carries=(m.PlaceOrderLine, m.ReleaseLine, m.CommitLine, m.ReturnLine, m.ReceiveStock, m.ExpireHolds),
)
ORDER_COMMANDS: Final = Topic("order.commands", key="order_id", carries=(m.RecordPaymentResult,))
ORDER_EVENTS: Final = Topic(
    "order.events",
    key="order_id",
    carries=(
        m.LineReserved,
        m.LineRejected,
        m.LineReleased,
        m.LineExpired,
        m.LineCommitted,
        m.LineCommitFailed,
        m.LineReturned,
        m.LineCommandRefused,
        m.OrderReserved,
        m.OrderRejected,
        m.OrderPlaced,
        m.OrderPaid,
        m.OrderCancelled,
        m.PaymentAuthorized,
        m.PaymentDeclined,
        m.PaymentCaptured,
        m.PaymentCaptureFailed,
        m.PaymentVoided,
        m.PaymentVoidFailed,
    ),
)
STOCK_LEVELS: Final = Topic("stock.levels", key="sku", carries=(m.StockLevel,), cleanup_policy="compact")
CATALOGUE_PRODUCTS: Final = Topic("catalogue.products", key="product_id", carries=(), cleanup_policy="compact")
DEAD_LETTERS: Final = Topic("dead.letters", key="key", carries=(m.DeadLetter,))

TOPICS: Final = (INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS, STOCK_LEVELS, CATALOGUE_PRODUCTS, DEAD_LETTERS)

_TOPIC_OF: Final[dict[type[m.Message], Topic]] = {message: topic for topic in TOPICS for message in topic.carries}


def topic_of(message: type[m.Message]) -> Topic:
    """Return the one topic that carries this message."""
    return _TOPIC_OF[message]
