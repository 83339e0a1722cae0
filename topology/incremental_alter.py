"""Kafka's IncrementalAlterConfigs request (KIP-339), which aiokafka does not have yet.

The older AlterConfigs, which it has, sets a topic back to the broker's defaults in all that the request leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

TopicConfigs: TypeAlias = tuple[str, Sequence[tuple[str, str]]]
"""A topic with the (config, value) pairs to set."""

_API_KEY: Final = 44
_SET: Final = 0
_TOPIC: Final = 2
_TEXT: Final = String("utf-8")


class IncrementalAlterConfigsResponse_v0(Response):  # type: ignore[misc]  # noqa: N801 - aiokafka's way to name versions
    """One (error_code, error_message, resource_type, resource_name) for each topic."""

    API_KEY = _API_KEY
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "resources",
            Array(("error_code", Int16), ("error_message", _TEXT), ("resource_type", Int8), ("resource_name", _TEXT)),
        ),
    )


class IncrementalAlterConfigsRequest_v0(RequestStruct):  # type: ignore[misc]  # noqa: N801 - as above
    """Version 0 on the wire."""

    API_KEY = _API_KEY
    API_VERSION = 0
    RESPONSE_TYPE = IncrementalAlterConfigsResponse_v0
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", _TEXT),
                ("configs", Array(("name", _TEXT), ("config_operation", Int8), ("value", _TEXT))),
            ),
        ),
        ("validate_only", Boolean),
    )


class IncrementalAlterConfigsRequest(Request[IncrementalAlterConfigsRequest_v0]):  # type: ignore[misc]
    """Sets some configs of some topics and leaves all others as they are."""

    API_KEY = _API_KEY

    def __init__(self, topics: Sequence[TopicConfigs]) -> None:
        self._resources = [
            (_TOPIC, topic, [(config, _SET, value) for config, value in configs]) for topic, configs in topics
        ]

    def build(self, request_struct_class: type[IncrementalAlterConfigsRequest_v0]) -> IncrementalAlterConfigsRequest_v0:
        """Build the request in the version that the broker supports."""
        return request_struct_class(self._resources, False)
