"""Which cluster and which topics a name means: Kafka's Metadata request in a version that has topic ids (KIP-516).

A topic that is deleted and created again has the same name and another id. aiokafka 0.14 asks in version 5 at most, and
topic ids come with version 10.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from aiokafka.errors import UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_API_KEY: Final = 3
_VERSION: Final = 12
_TEXT: Final = CompactString("utf-8")
_TAGS: Final = ("tags", TaggedFields)
_ID_BYTES: Final = 16
_NO_ID: Final = bytes(_ID_BYTES)


@dataclass(frozen=True, slots=True)
class TopicMetadata:
    """One topic; `topic_id` is as Kafka's tools print it."""

    topic_id: str
    partitions: int


@dataclass(frozen=True, slots=True)
class ClusterMetadata:
    """A cluster's id and the topics that were asked for, those that it has, by their names there."""

    cluster_id: str
    topics: Mapping[str, TopicMetadata]


async def topic_metadata(client: Any, names: Iterable[str]) -> ClusterMetadata:
    """Ask for some topics through an AIOKafkaClient that is connected; creates none.

    Raises KafkaError where the broker does not answer, or refuses for another reason than that there is no such topic.
    """
    response = await client.send(client.get_random_node(), TopicMetadataRequest(names))
    topics: dict[str, TopicMetadata] = {}
    for code, name, topic_id, _, partitions, *_ in response.topics:
        if code == UnknownTopicOrPartitionError.errno:
            continue
        if code:
            raise for_code(code)(f"metadata of {name}")
        topics[name] = TopicMetadata(base64.urlsafe_b64encode(topic_id).decode().rstrip("="), len(partitions))
    return ClusterMetadata(response.cluster_id, topics)


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]  # aiokafka has no types
    """Sixteen bytes, as they are."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(_ID_BYTES)


class TopicMetadataResponse_v12(Response):  # type: ignore[misc]  # noqa: N801 - aiokafka's way to name versions
    """See https://kafka.apache.org/protocol#The_Messages_Metadata."""

    API_KEY = _API_KEY
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), _TAGS),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _TEXT),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        _TAGS,
                    ),
                ),
                ("authorized_operations", Int32),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class TopicMetadataRequest_v12(RequestStruct):  # type: ignore[misc]  # noqa: N801 - as above
    """Version 12 on the wire; Kafka 2.8 and later support it."""

    API_KEY = _API_KEY
    API_VERSION = _VERSION
    RESPONSE_TYPE = TopicMetadataResponse_v12
    FLEXIBLE_VERSION = True
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _TEXT), _TAGS)),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        _TAGS,
    )


class TopicMetadataRequest(Request[TopicMetadataRequest_v12]):  # type: ignore[misc]
    """Asks for topics by name."""

    API_KEY = _API_KEY

    def __init__(self, names: Iterable[str]) -> None:
        self._topics: list[tuple[Any, ...]] = [(_NO_ID, name, {}) for name in names]

    def build(self, request_struct_class: type[TopicMetadataRequest_v12]) -> TopicMetadataRequest_v12:
        """Build the request in the one version that there is."""
        return request_struct_class(self._topics, False, False, {})
