"""Records as other systems send them: what is asked of an order goes to order.commands, not into the orders' log itself."""

from __future__ import annotations

from producers.publisher import BY_KEY, Outgoing
from schemas.codec.wire import encode
from schemas.messages import Message
from topology.topics import TOPIC_NAMES, key_of


def asked(message: Message, partition: int = BY_KEY) -> Outgoing:
    """Return the record of a message on the topic that carries it from outside."""
    return Outgoing(TOPIC_NAMES[type(message)], partition, key_of(message), encode(message))
