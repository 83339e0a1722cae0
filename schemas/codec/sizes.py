"""How large a message can lawfully be as a Kafka value: topics take as much by construction (topology/topics.py)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from schemas.codec.compiled import varint
from schemas.codec.lock import NAMESPACE, latest, read_history, read_lock
from schemas.codec.wire import HEAD
from schemas.limits import LONG_TEXTS, MAX_ADDRESS_BYTES, MAX_ITEMS, MAX_LINES, MAX_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.codec.lock import Schema
    from schemas.messages import Message

_INTEGER_BYTES: Final = {"int": 5, "long": 10}
"""Avro 1.12 specification, "Binary Encoding": seven bits a byte."""


def largest_value_bytes(messages: Iterable[type[Message]]) -> int:
    """Return the size of the largest value that any of these messages can lawfully make (schemas/limits.py).

    Raises ValueError for a message that holds bytes: it is as large as what was put into it.
    """
    return max(
        (HEAD.size + _record_bytes(_newest()[f"{NAMESPACE}.{message.__name__}"]) for message in messages), default=0
    )


@cache
def _newest() -> dict[str, Schema]:
    return {name: read_history(entry) for name, entry in latest(read_lock()).items()}


def _record_bytes(schema: Schema) -> int:
    return sum(_field_bytes(field["type"], f"{schema['name']}.{field['name']}") for field in schema["fields"])


def _field_bytes(avro_type: Any, name: str) -> int:
    if avro_type == "string":
        longest = MAX_ADDRESS_BYTES if name in LONG_TEXTS else MAX_TEXT_BYTES
        return len(varint(longest)) + longest
    if avro_type in ("int", "long"):
        return _INTEGER_BYTES[avro_type]
    if isinstance(avro_type, dict) and avro_type["type"] == "record":
        return _record_bytes(avro_type)
    if isinstance(avro_type, dict) and avro_type["type"] == "array":
        most = MAX_ITEMS.get(name, MAX_LINES)
        return len(varint(most)) + most * _field_bytes(avro_type["items"], name) + 1
    raise ValueError(f"{avro_type} has no largest size")
