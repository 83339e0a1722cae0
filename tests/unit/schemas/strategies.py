"""Messages of every kind, as Hypothesis draws them from the schemas themselves."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from schemas.codec.items import ITEM_RECORDS
from schemas.codec.lock import Schema, read_current
from schemas.codec.validation import RANGES
from schemas.messages import MESSAGES, DeadLetter, Message, PlaceOrderLine

SCHEMAS = read_current()
ITEM_STRUCTS = {struct.__name__: struct for struct in ITEM_RECORDS}

# At most 4 bytes a character in UTF-8, so 250 of them stay below the limit of 1000 bytes.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=250)

ORDER_ID = "0190b6c4-7b9a-7c3e-8f00-0123456789ab"
A_LINE = PlaceOrderLine(
    order_id=ORDER_ID,
    line=1,
    line_count=2,
    sku="MUG",
    quantity=1,
    demand=1,
    unit_price_minor=1299,
    currency="GBP",
    customer_id="c-1",
    payment_token="tok_1",
    hold_seconds=900,
)
A_DEAD_LETTER = DeadLetter(
    room="inventory",
    topic="inventory.commands",
    partition=3,
    offset=1042,
    key=b"MUG",
    value=b"\x00not avro",
    headers={"ce_id": b"a"},
    reason="malformed_body",
    detail="the body is no PlaceOrderLine",
    at_ms=1_790_000_000_000,
)


def schema_of(message: type[Message]) -> Schema:
    return SCHEMAS[message.__name__]


def _values(avro_type: Any) -> st.SearchStrategy[Any]:
    if avro_type == "string":
        return TEXTS
    if avro_type in ("int", "long"):
        bounds = RANGES[avro_type]
        return st.integers(bounds.start, bounds.stop - 1) | st.integers(-70, 70)
    if isinstance(avro_type, list):
        return st.none() | st.binary(max_size=100)
    if avro_type["type"] == "array":
        return st.lists(_items(avro_type["items"]), max_size=5).map(tuple)
    return st.dictionaries(st.text(max_size=20), st.binary(max_size=100), max_size=5)


def _items(avro_type: Any) -> st.SearchStrategy[Any]:
    if not isinstance(avro_type, dict):
        return _values(avro_type)
    struct = ITEM_STRUCTS[avro_type["name"]]
    return st.builds(struct, **{field["name"]: _values(field["type"]) for field in avro_type["fields"]})


def as_avro(message: Message) -> dict[str, Any]:
    """Return a message as fastavro gives it back: arrays are lists, and their records dicts."""
    record = msgspec.structs.asdict(message)
    for name, value in record.items():
        if isinstance(value, tuple):
            record[name] = [
                msgspec.structs.asdict(element) if isinstance(element, msgspec.Struct) else element for element in value
            ]
    return record


def messages_of(message: type[Message]) -> st.SearchStrategy[Message]:
    return st.builds(message, **{f["name"]: _values(f["type"]) for f in schema_of(message)["fields"]})


MESSAGES_OF_ANY_KIND = st.sampled_from(MESSAGES).flatmap(messages_of)


def with_field(message: Message, **changes: Any) -> Message:
    return msgspec.structs.replace(message, **changes)
