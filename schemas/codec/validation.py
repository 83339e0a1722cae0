"""Whether a message's values fit their Avro types and our limits (schemas/limits.py), before they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from schemas.limits import LONG_TEXTS, MAX_ADDRESS_BYTES, MAX_ITEMS, MAX_LINES, MAX_TEXT_BYTES

if TYPE_CHECKING:
    from schemas.codec.lock import Schema
    from schemas.messages import Message

RANGES: Final[dict[str, range]] = {"int": range(-(2**31), 2**31), "long": range(-(2**63), 2**63)}
"""The integers of each Avro type; fastavro itself writes and reads any integer as either."""


def is_flat(schema: Schema) -> bool:
    """Tell whether a record has only texts and integers: all have on the hot path."""
    return all(field["type"] in ("string", "int", "long") for field in schema["fields"])


def _holds_bytes(avro_type: Any) -> bool:
    return "bytes" in avro_type or (isinstance(avro_type, dict) and avro_type.get("values") == "bytes")


def find_fault(message: Message, schema: Schema) -> str | None:
    """Return what is wrong with the first wrong field, or None. Bytes and maps are left to fastavro.

    The limits on texts do not hold beside them: a dead letter must be able to hold anything.
    """
    limited = not any(_holds_bytes(field["type"]) for field in schema["fields"])
    for field in schema["fields"]:
        name = f"{schema['name']}.{field['name']}"
        max_bytes = None if not limited else MAX_ADDRESS_BYTES if name in LONG_TEXTS else MAX_TEXT_BYTES
        max_items = MAX_ITEMS.get(name, MAX_LINES)
        fault = _fault_of(getattr(message, field["name"]), field["type"], max_bytes, max_items)
        if fault is not None:
            return f"{name} {fault}"
    return None


def _fault_of(value: Any, avro_type: Any, max_bytes: int | None, max_items: int = MAX_LINES) -> str | None:
    if isinstance(avro_type, dict) and avro_type["type"] == "array":
        return _fault_of_array(value, avro_type["items"], max_items)
    if avro_type == "string":
        return _fault_of_text(value, max_bytes)
    if avro_type in ("int", "long"):
        if not isinstance(value, int):
            return f"is {type(value).__name__}, where an integer belongs"
        if value not in RANGES[avro_type]:
            return f"is {value}, beyond an Avro {avro_type}"
    return None


def _fault_of_array(values: Any, item_type: Any, max_items: int) -> str | None:
    """Return what is wrong with the first wrong item of an array, of texts and integers or of flat records of them."""
    if not isinstance(values, tuple):
        return f"is {type(values).__name__}, where a tuple belongs"
    if len(values) > max_items:
        return f"has {len(values)} items; at most {max_items} are allowed"
    for item in values:
        if not isinstance(item_type, dict):
            fault = _fault_of(item, item_type, MAX_TEXT_BYTES)
        else:
            faults = (
                (f["name"], _fault_of(getattr(item, f["name"], None), f["type"], MAX_TEXT_BYTES))
                for f in item_type["fields"]
            )
            fault = next((f"{name} {each}" for name, each in faults if each is not None), None)
        if fault is not None:
            return f"holds an item that {fault}"
    return None


def _fault_of_text(value: Any, max_bytes: int | None) -> str | None:
    """Return what is wrong with a text; one without `max_bytes` may be of any length and hold NUL."""
    if not isinstance(value, str):
        return f"is {type(value).__name__}, where text belongs"
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        return f"is not Unicode text: {error.reason} at character {error.start}"
    if max_bytes is not None and size > max_bytes:
        return f"is {size} bytes long in UTF-8; at most {max_bytes} are allowed"
    if max_bytes is not None and "\0" in value:
        return "holds a NUL character, which PostgreSQL's text cannot"
    return None
