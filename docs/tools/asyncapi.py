"""docs/reference/asyncapi.yaml: topics, messages and who may send and read them, in AsyncAPI 3.0.

Made from topology and schemas like the other files of the reference (docs/tools/reference.py), and shown by
docs/tools/asyncapi_page.py.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_args

import msgspec
import yaml

from docs.tools.asyncapi_description import DESCRIPTION
from docs.tools.examples import example_of
from infra.base.rooms import READERS, ROOMS
from producers.clients.order_commands import OrderCommand
from producers.publisher import FORWARDED
from schemas import messages as m
from schemas.codec.lock import NAMESPACE, Locked, Schema, latest, read_current, read_lock
from schemas.codec.wire import encode
from schemas.envelope import CONTENT_TYPE
from topology import topics
from topology.saga import REACTIONS, messages_accepted_by
from topology.topics import ADDRESSED_TO_A_PARTITION, ANYONE, CO_PARTITIONED, TOPICS, Topic, log_read_by, topic_of

ROOT: Final = Path(__file__).parents[2]
PATH: Final = ROOT / "docs" / "reference" / "asyncapi.yaml"
AVRO: Final = "application/vnd.apache.avro;version=1.9.0"
BINDING: Final = {"bindingVersion": "0.5.0"}
SENT_TO_US: Final[Mapping[Topic, tuple[type[m.Message], ...]]] = MappingProxyType(
    {
        topics.INVENTORY_COMMANDS: (m.PlaceOrderLine, *m.SKU_COMMANDS),
        topics.ORDER_COMMANDS: get_args(OrderCommand),
        topics.CATALOGUE_COMMANDS: m.CATALOGUE_COMMANDS,
    }
)
"""What other systems may send; the rest of these topics is what rooms send each other."""
READ_FROM_US: Final = (
    topics.ORDER_EVENTS,
    topics.ORDER_NOTIFICATIONS,
    topics.STOCK_LEVELS,
    topics.CATALOGUE_EVENTS,
    topics.CATALOGUE_PRODUCTS,
    topics.DEAD_LETTERS,
)
"""What other systems may read; the other topics are our own."""
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]+").fullmatch
_WITHOUT_ID: Final = (m.StockLevel, m.Product, m.ShopSignal, m.OperatorAction, m.AdoptRules)


def text() -> str:
    """Return the file."""
    head = "# Generated from schemas and topology by `python -m docs.tools.reference`: change those and run it again.\n"
    return head + yaml.dump(document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def document() -> dict[str, Any]:
    """Return the whole document."""
    schemas, locked = read_current(), latest(read_lock())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Messages over Kafka (AsyncAPI)",
            "version": project["version"],
            "description": DESCRIPTION,
            "license": {"name": project["license"]},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The cluster of LASTUNIT_KAFKA_BOOTSTRAP; `lastunit config` prints its address.",
                "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "host:port"}},
            }
        },
        "channels": {_id(topic): _channel(topic) for topic in TOPICS},
        "operations": {
            **{f"receive{_id(topic, upper=True)}": _received(topic, sent) for topic, sent in SENT_TO_US.items()},
            **{f"send{_id(topic, upper=True)}": _sent(topic) for topic in READ_FROM_US},
        },
        "components": {
            "messages": {
                name: _message(kind, schemas[name], locked[f"{NAMESPACE}.{name}"])
                for name, kind in ((message.__name__, message) for message in m.MESSAGES)
            },
            "schemas": {"HeadersOfDecided": _headers(decided=True), "Headers": _headers(decided=False)},
        },
    }


def readers_of(topic: Topic) -> list[str]:
    """Return the rooms and readers of a topic."""
    rooms = [room for room in ROOMS if log_read_by(room) is topic]
    return [*rooms, *(READERS if topic is topics.ORDER_EVENTS else ())]


def _channel(topic: Topic) -> dict[str, Any]:
    configs = topic.kafka_configs()
    whole = {name: int(configs[name]) for name in ("retention.ms", "retention.bytes", "max.message.bytes")}
    named = {name: configs[name] for name in ("message.timestamp.type", "compression.type") if name in configs}
    readers = readers_of(topic)
    return {
        "address": topic.name,
        "title": topic.name,
        "description": " ".join([_key(topic), _partitions(topic), _kept(topic)]),
        "servers": [_ref("servers", "kafka")],
        "messages": {message.__name__: _ref("components", "messages", message.__name__) for message in _all(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {"cleanup.policy": [topic.cleanup_policy], **whole, **named},
                **BINDING,
            }
        },
        "x-key": topic.key,
        "x-written-by": sorted("other systems" if writer == ANYONE else writer for writer in topic.written_by),
        **({"x-read-by": readers} if readers else {}),
    }


def _key(topic: Topic) -> str:
    by_partition = [message.__name__ for message in _all(topic) if message in {*ADDRESSED_TO_A_PARTITION}]
    keyless = f" Sent to a partition by its number, without a key: {', '.join(by_partition)}." if by_partition else ""
    return f"Keyed by `{topic.key}`.{keyless}"


def _partitions(topic: Topic) -> str:
    if topic.may_get_more_partitions:
        return "Made with 12 partitions and may get more while in use: ask Kafka how many there are."
    if topic in CO_PARTITIONED:
        others = " and ".join(other.name for other in CO_PARTITIONED if other is not topic)
        return f"An order has the same partition here as on {others}."
    return "Ask Kafka how many partitions there are."


def _kept(topic: Topic) -> str:
    if topic.cleanup_policy == "compact":
        return "Compacted: the latest record of each key is kept."
    if topic.retention_ms == topics.FOREVER:
        return "Every record is kept."
    return f"Records are kept for {topic.retention_ms // topics.DAY_MS} days."


def _received(topic: Topic, sent: tuple[type[m.Message], ...]) -> dict[str, Any]:
    return {
        "action": "receive",
        "title": f"Send commands to {topic.name}",
        "summary": f"What other systems may send to {topic.name}.",
        "channel": _ref("channels", _id(topic)),
        "messages": [_ref("channels", _id(topic), "messages", message.__name__) for message in sent],
        "bindings": {"kafka": {"groupId": {"type": "string", "enum": readers_of(topic)}, **BINDING}},
    }


def _sent(topic: Topic) -> dict[str, Any]:
    taken = {
        "type": "string",
        "not": {"enum": [*ROOMS, *READERS]},
        "description": "A name of your own: these are ours.",
    }
    return {
        "action": "send",
        "title": f"Read {topic.name}",
        "summary": f"What other systems may read from {topic.name}.",
        "channel": _ref("channels", _id(topic)),
        "messages": [_ref("channels", _id(topic), "messages", message.__name__) for message in topic.carries],
        "bindings": {"kafka": {"groupId": taken, **BINDING}},
    }


def _message(kind: type[m.Message], schema: Schema, locked: Locked) -> dict[str, Any]:
    answers = _answers(kind)
    return {
        "name": kind.__name__,
        "title": kind.__name__,
        "summary": schema["doc"],
        **({"description": answers} if answers else {}),
        "contentType": CONTENT_TYPE,
        **({} if kind in _WITHOUT_ID else {"headers": _ref("components", "schemas", _headers_of(kind))}),
        "payload": {"schemaFormat": AVRO, "schema": schema},
        "bindings": {
            "kafka": {
                "key": _key_of(kind),
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "schemas/lock.json",
                **BINDING,
            }
        },
        **_examples(kind),
        "x-schema-id": locked.id,
        "x-schema-version": locked.version,
    }


def _examples(kind: type[m.Message]) -> dict[str, Any]:
    example = example_of(kind)
    if example is None:
        return {}
    name = kind.__name__[0].lower() + kind.__name__[1:]
    payload = msgspec.to_builtins(example)
    return {"examples": [{"name": name, "payload": payload}], "x-example-value": encode(example).hex()}


def _answers(kind: type[m.Message]) -> str:
    """Return which rooms answer a message with what."""
    answers = [
        f"{reaction.room} answers with {', '.join(output.__name__ for output in reaction.outputs)}"
        for reaction in REACTIONS
        if reaction.on is kind and reaction.outputs
    ]
    silent = [room for room in ROOMS if kind in messages_accepted_by(room) and not _outputs(room, kind)]
    recorded = [f"{' and '.join(silent)} record{'s' if len(silent) == 1 else ''} it"] if silent else []
    return f"{'; '.join([*answers, *recorded])}." if answers or recorded else ""


def _outputs(room: str, kind: type[m.Message]) -> tuple[type[m.Message], ...]:
    return next((reaction.outputs for reaction in REACTIONS if reaction.room == room and reaction.on is kind), ())


def _key_of(kind: type[m.Message]) -> dict[str, Any]:
    if kind in ADDRESSED_TO_A_PARTITION:
        return {"type": "null"}
    return {"type": "string", "description": f"The message's `{topic_of(kind).key}`, in UTF-8."}


def _headers_of(kind: type[m.Message]) -> str:
    return "HeadersOfDecided" if kind not in ADDRESSED_TO_A_PARTITION and topic_of(kind) in READ_FROM_US else "Headers"


def _headers(*, decided: bool) -> dict[str, Any]:
    properties = {
        "ce_id": {
            "type": "string",
            "description": "The id that follows from what a room decided: topic/partition/offset/number of the outcome; "
            "on dead.letters dead: and the room, of a command that intake took in intake:0. The same whenever the record is published again.",
            "examples": ["inventory.commands/3/1042/0"],
        },
        FORWARDED: {
            "type": "string",
            "description": "On a record that stood in a partition which is not its key's: where it was sent on from.",
        },
        "lastunit_redriven": {"type": "string", "description": "On a dead letter's record that was sent again: which."},
    }
    required = {"required": ["ce_id"]} if decided else {}
    return {"type": "object", **required, "properties": {"ce_id": properties["ce_id"]} if decided else properties}


def _all(topic: Topic) -> tuple[type[m.Message], ...]:
    return (*topic.carries, *(message for message in topic.also_carries if message not in topic.carries))


def _id(topic: Topic, *, upper: bool = False) -> str:
    first, *others = topic.name.split(".")
    return (first.title() if upper else first) + "".join(word.title() for word in others)


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  yaml's signature
        return True


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # Hexadecimal digits may look like a number in one version of YAML or the other.
    style = "|" if "\n" in value else "'" if _HEXADECIMAL(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _string)
