"""The topics, as data: what each carries, how it is keyed, who writes it, how it is kept.

A message is keyed by the thing whose state it may change: a SKU or an order. What a cluster really holds is compared
with this by `topology/admin.py`. Longer than other files, as the topics are read side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import repeat
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

from schemas import messages as m
from schemas.codec.sizes import largest_value_bytes
from topology.saga import INTAKE, REACTIONS, messages_accepted_by

DEFAULT_PARTITIONS: Final = 12
MINUTE_MS: Final = 60 * 1000
DAY_MS: Final = 24 * 60 * MINUTE_MS
FOREVER: Final = -1
"""`retention.ms` of a topic that Kafka never deletes from by age."""

MIB: Final = 1024 * 1024
MAX_RECORD_BYTES: Final = 1 * MIB
"""Largest batch of records that a topic takes whose messages are all smaller; a single record has to fit into it."""
MAX_ENVELOPE_BYTES: Final = 4 * 1024
"""What Kafka and our publisher add to a value: a batch's head (61 bytes), a record's lengths, a key (at most
MAX_TEXT_BYTES) and the headers ce_id, lastunit_forwarded and traceparent."""
LETTER_TO_SOURCE: Final = 5
"""A letter numbers the headers of one name, of which the smallest have two bytes: at worst it is so many times as large
as its source."""

ANYONE: Final = "producers"
"""Who writes a topic from outside the rooms: any authorised producer."""
_RECEIVER: Final = "receiver"
"""The process that takes the processors' webhooks; it stands for `lastunit payments reconcile` too, which publishes the same."""
_ROOMS: Final = frozenset({INTAKE, *(reaction.room for reaction in REACTIONS)})


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `key` names the message field that is the record's key; `retention_ms` is Kafka's `retention.ms`.

    `carries` are the messages that are published on it; those that several topics carry, each by its name, stand in
    `also_carries`. `holds_whole` names the topics of which it must take any record, whatever is in it. `written_by` names the
    rooms that may write it, and `ANYONE` where the outside may too. One that `may_get_more_partitions` can have more than
    were declared (docs/guides/repartition.md). `extra` are further Kafka topic configs.
    """

    name: str
    key: str
    carries: tuple[type[m.Message], ...]
    written_by: frozenset[str]
    also_carries: tuple[type[m.Message], ...] = ()
    partitions: int = DEFAULT_PARTITIONS
    may_get_more_partitions: bool = False
    cleanup_policy: str = "delete"
    retention_ms: int = FOREVER
    timestamp_type: str = "LogAppendTime"
    holds_whole: tuple[Topic, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def max_message_bytes(self) -> int:
        """Kafka's `max.message.bytes`: whatever a lawful message may need, in whole mebibytes.

        So nothing can be committed to the outbox that its topic would not take.
        """
        if self.holds_whole:
            needed = LETTER_TO_SOURCE * max(topic.max_message_bytes for topic in self.holds_whole)
        else:
            needed = largest_value_bytes((*self.carries, *self.also_carries))
        return max(MAX_RECORD_BYTES, -(-(needed + MAX_ENVELOPE_BYTES) // MIB) * MIB)

    def in_namespace(self, namespace: str) -> str:
        """Return the topic's name in Kafka: `t1.inventory.commands` in the namespace `t1.`, plain in the empty one."""
        return namespace + self.name

    def kafka_configs(self, replication_factor: int = 1) -> dict[str, str]:
        """Return every Kafka topic config that matters here, as Kafka writes it, whatever a broker's defaults are."""
        return {
            "cleanup.policy": self.cleanup_policy,
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": self.timestamp_type,
            "min.insync.replicas": str(min_insync_replicas(replication_factor)),
            # A broker may be configured to delete by size for all topics; the log is the audit, so these have settings of their own.
            "retention.bytes": str(FOREVER),
            "retention.ms": str(self.retention_ms),
            # An unclean leader lacks acknowledged records and hands their offsets out again, to others.
            "unclean.leader.election.enable": "false",
            **self.extra,
        }


def min_insync_replicas(replication_factor: int) -> int:
    """Return how many replicas must hold a record before it counts: all but one, so that one broker may be away."""
    return max(1, replication_factor - 1)


# Compaction spares the segment that is being written, so a small one bounds what a reader of the latest values re-reads.
_COMPACTED_SOON: Final = MappingProxyType({"segment.bytes": str(64 * MIB), "max.compaction.lag.ms": str(DAY_MS)})

# Strangers write commands, and could write events. The broker unpacks what they compressed before it measures it: a small batch that unpacks to a
# hundred times the limit would fill its reader's memory, and no dead letter could hold it.
_AS_LARGE_AS_IT_LOOKS: Final = MappingProxyType({"compression.type": "uncompressed"})

INVENTORY_COMMANDS: Final = Topic(
    "inventory.commands",
    key="sku",
    carries=m.STOCK_COMMANDS,
    written_by=frozenset({ANYONE, "orders", "fulfilment", "inventory"}),
    also_carries=(m.AdoptRules,),
    extra=_AS_LARGE_AS_IT_LOOKS,
    may_get_more_partitions=True,
)
ORDER_COMMANDS: Final = Topic(
    "order.commands",
    key="order_id",
    carries=m.ORDER_COMMANDS,
    written_by=frozenset({ANYONE}),
    also_carries=(m.AdoptRules,),
    extra=_AS_LARGE_AS_IT_LOOKS,
)
ORDER_EVENTS: Final = Topic(
    "order.events",
    key="order_id",
    carries=(
        m.LineReserved,
        m.LineRejected,
        m.LineRepeated,
        m.LineReleased,
        m.LineExpired,
        m.LineCommitted,
        m.LineCommitFailed,
        m.LineReturned,
        m.LineShipped,
        m.LineCommandRefused,
        m.OrderReserved,
        m.OrderRejected,
        m.OrderPlaced,
        m.OrderPaid,
        m.OrderCancelRequested,
        m.OrderCancelled,
        m.OrderCommandRefused,
        m.OrderCommandUnmatched,
        m.RecordDeadLettered,
        m.PaymentRequiresAction,
        m.PaymentAuthorized,
        m.PaymentDeclined,
        m.PaymentCaptured,
        m.PaymentCaptureFailed,
        m.PaymentVoided,
        m.PaymentVoidFailed,
        m.PaymentLapsed,
        m.PaymentRefunded,
        m.PaymentRefundFailed,
        m.RefundReduced,
        m.PaymentChangedExternally,
        m.PaymentResolved,
        m.ShipmentRequested,
        m.ShipmentShipped,
        m.OrderShipped,
        m.ShipmentDelivered,
        m.ShipmentLost,
        m.OrderDelivered,
        m.FulfilmentCancelled,
        m.LineWithdrawn,
        m.ReturnRequested,
        m.ReturnApproved,
        m.ReturnRefused,
        m.ReturnReceived,
        m.OrderReturned,
        m.RefundRequested,
    ),
    written_by=_ROOMS - {"notifications", "catalogue"} | {_RECEIVER},
    also_carries=(*m.ORDER_COMMANDS, m.AdoptRules),
    extra=_AS_LARGE_AS_IT_LOOKS,
)
STOCK_LEVELS: Final = Topic(
    "stock.levels",
    key="sku",
    carries=(m.StockLevel,),
    written_by=frozenset({"inventory"}),
    cleanup_policy="compact",
    extra=_COMPACTED_SOON,
)
CATALOGUE_COMMANDS: Final = Topic(
    "catalogue.commands",
    key="product_id",
    carries=m.CATALOGUE_COMMANDS,
    written_by=frozenset({ANYONE}),
    also_carries=(m.AdoptRules,),
    extra=_AS_LARGE_AS_IT_LOOKS,
)
CATALOGUE_EVENTS: Final = Topic(
    "catalogue.events",
    key="product_id",
    carries=m.CATALOGUE_EVENTS,
    written_by=frozenset({"catalogue"}),
)
CATALOGUE_PRODUCTS: Final = Topic(
    "catalogue.products",
    key="product_id",
    carries=(m.Product,),
    written_by=frozenset({"catalogue"}),
    cleanup_policy="compact",
    extra=_COMPACTED_SOON,
)
SHOP_SIGNALS: Final = Topic(
    "shop.signals",
    key="product_id",
    carries=(m.ShopSignal,),
    written_by=frozenset({ANYONE}),
    retention_ms=7 * DAY_MS,
)
ORDER_NOTIFICATIONS: Final = Topic(
    "order.notifications",
    key="order_id",
    carries=(m.OrderNotification,),
    written_by=frozenset({"notifications"}),
)
DEAD_LETTERS: Final = Topic(
    "dead.letters",
    key="key",
    carries=(m.DeadLetter,),
    written_by=_ROOMS,
    holds_whole=(INVENTORY_COMMANDS, ORDER_COMMANDS, ORDER_EVENTS, CATALOGUE_COMMANDS),
)
OPERATOR_ACTIONS: Final = Topic(
    "operator.actions",
    key="subject",
    carries=m.OPERATOR_ACTIONS,
    written_by=frozenset({ANYONE}),
)

TOPICS: Final = (
    INVENTORY_COMMANDS,
    ORDER_COMMANDS,
    ORDER_EVENTS,
    ORDER_NOTIFICATIONS,
    STOCK_LEVELS,
    CATALOGUE_COMMANDS,
    CATALOGUE_EVENTS,
    CATALOGUE_PRODUCTS,
    SHOP_SIGNALS,
    OPERATOR_ACTIONS,
    DEAD_LETTERS,
)
CO_PARTITIONED: Final = (ORDER_COMMANDS, ORDER_EVENTS, ORDER_NOTIFICATIONS)
"""One order is in the same partition of each of these, so they always have equally many."""

ADDRESSED_TO_A_PARTITION: Final[frozenset[type[m.Message]]] = frozenset({m.ExpireHolds, m.EndWaits, m.AdoptRules})
"""Messages that are about a whole partition: sent to it by number, without a key."""

_TOPIC_OF: Final[dict[type[m.Message], Topic]] = {message: topic for topic in TOPICS for message in topic.carries}
TOPIC_NAMES: Final[dict[type[m.Message], str]] = {message: topic.name for message, topic in _TOPIC_OF.items()}
"""The name of the topic that carries a message from whoever sends it."""
LOG_NAMES: Final[dict[type[m.Message], str]] = TOPIC_NAMES | dict.fromkeys(m.ORDER_COMMANDS, ORDER_EVENTS.name)
"""The name of the topic where rooms decide about a message, and where rooms publish it: what the outside asks of an order gets there through intake."""
APPENDED_WITHOUT_CAUSE: Final[frozenset[type[m.Message]]] = frozenset(
    {m.RecordPaymentResult, m.InspectPayment, m.RecordPaymentInspection, m.EndWaits}
)
"""Commands that our own processes append to order.events; they answer no record, so they carry no id."""
_KEY_FIELD: Final[dict[type[m.Message], str | None]] = {
    **{message: topic.key for message, topic in _TOPIC_OF.items()},
    **dict.fromkeys(ADDRESSED_TO_A_PARTITION),
}


def topic_of(message: type[m.Message]) -> Topic:
    """Return the topic that carries this message from whoever sends it."""
    return _TOPIC_OF[message]


def log_of(message: type[m.Message]) -> Topic:
    """Return the topic where rooms decide about this message."""
    return ORDER_EVENTS if message in m.ORDER_COMMANDS else _TOPIC_OF[message]


def key_of(message: m.Message) -> bytes | None:
    """Return the key of the record that carries this message; None for one that is addressed to its partition.

    A dead letter keeps the key of its source, which may be None too.
    """
    name = _KEY_FIELD[type(message)]
    if name is None:
        return None
    key: str | bytes | None = getattr(message, name)
    return key.encode() if type(key) is str else key  # type: ignore[return-value]  # what is not text here is bytes or None


def keys_of(messages: Sequence[m.Message]) -> Iterable[bytes | None]:
    """Return the key of each of many messages of one type."""
    name = _KEY_FIELD[type(messages[0])]
    if name is None:
        return repeat(None, len(messages))
    keys: list[Any] = list(map(attrgetter(name), messages))
    return map(str.encode, keys) if type(keys[0]) is str else keys


EARLIER_SOURCES: Final[Mapping[str, tuple[Topic, ...]]] = MappingProxyType(
    {
        "orders": (ORDER_EVENTS, ORDER_COMMANDS),
        "payments": (ORDER_COMMANDS, ORDER_EVENTS),
        "fulfilment": (ORDER_COMMANDS, ORDER_EVENTS),
    }
)
"""What rooms read before there was intake, in the order in which their offsets and ranges of that time stand (decision 037)."""


@cache
def log_read_by(room: str) -> Topic:
    """Return the topic that carries what `room` decides about. Raises ValueError for a name that is no room's."""
    if room == INTAKE:
        return ORDER_COMMANDS
    (log,) = {log_of(message) for message in messages_accepted_by(room)}
    return log
