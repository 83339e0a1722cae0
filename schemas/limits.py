"""What a field may hold beyond its Avro type, so that what was decoded can be stored wherever it has to go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from schemas.codec.lock import Schema
    from schemas.messages import Message

MAX_TEXT_BYTES: Final = 1000
"""No text is longer in UTF-8: every text may become a key, and a PostgreSQL btree entry ends at 2704 bytes."""

MAX_ADDRESS_BYTES: Final = 8192
"""Of an address that a customer confirms a payment at: return addresses and tokens stand in it, and it is nobody's key."""
LONG_TEXTS: Final = frozenset(
    {"RecordPaymentResult.action_url", "PaymentRequiresAction.action_url", "OrderNotification.detail"}
)
"""The fields, as record.field, that hold such an address."""
MAX_TIME_MS: Final = 253_402_300_799_999
"""The end of the year 9999 in ms since the epoch, the latest moment that calendars know."""

RANGES: Final[dict[str, range]] = {"int": range(-(2**31), 2**31), "long": range(-(2**63), 2**63)}
"""The integers of each Avro type; fastavro itself writes and reads any integer as either."""

# What orders and receipts may ask for. Producers refuse beyond it before they publish, inventory when it decides.
MAX_LINES: Final = 2_000
"""Lines of one order."""
MAX_QUANTITY: Final = 1_000_000
"""Units of one line, of all lines of one order that name one SKU, and of one receipt."""
MAX_UNIT_PRICE_MINOR: Final = 10**9
MAX_HOLD_SECONDS: Final = 3600
"""Stock is held no longer than this for an unpaid order, whatever the command asks for."""
GATHER_MS: Final = (MAX_HOLD_SECONDS + 5 * 60) * 1000
"""From the last word about an order whose lines are not all answered until it is given up. What is held for it usually
ends it earlier: no hold lasts so long, and there are five minutes for its end to be heard of."""
ORDER_ID_WINDOW_MS: Final = 120 * 24 * 60 * 60 * 1000
"""How far back an order id may lie: as long as its holds are kept to recognise a duplicate by, and to take a return."""
ORDER_ID_AHEAD_MS: Final = 24 * 60 * 60 * 1000
"""How far a client's clock may be ahead."""
SETTLING_MS: Final = 7 * 24 * 60 * 60 * 1000
"""How much longer orders and payments take in what is said about an order that they do not know or that is over: so
late may they be behind inventory."""
ACTION_SECONDS: Final = 15 * 60
"""How long a customer has to confirm a payment, as 3-D Secure asks for; then it is cancelled."""
MAX_TEXT: Final = 200
"""Characters of a SKU, a customer id, a payment token, a command id; all of them printable."""


# How long fulfilment waits for what it cannot know. Together they fit into the window of an order id, and leave a month.
SHIP_WITHIN_MS: Final = 30 * 24 * 60 * 60 * 1000
"""From the beginning of a fulfilment until what is still in the house is given back."""
DELIVERY_PRESUMED_MS: Final = 21 * 24 * 60 * 60 * 1000
"""From the shipping of a parcel until it counts as delivered, if nobody says otherwise."""
RETURN_WINDOW_MS: Final = 30 * 24 * 60 * 60 * 1000
"""From the delivery of a parcel until its lines can no longer be sent back."""
RETURN_ANSWER_MS: Final = 7 * 24 * 60 * 60 * 1000
"""From the request for a return until it counts as approved."""
RETURN_ARRIVAL_MS: Final = 30 * 24 * 60 * 60 * 1000
"""From the approval of a return until its goods must be here."""
MAX_FAILED_SHIPMENTS: Final = 100
"""Parcels of one order whose money could not be captured, beyond which no more are tried."""
MAX_RETURNS: Final = 200
"""Returns of one order, refused ones among them: all of them are one row."""


def is_flat(schema: Schema) -> bool:
    """Tell whether a record has only texts and integers: all have on the hot path."""
    return all(field["type"] in ("string", "int", "long") for field in schema["fields"])


def _holds_bytes(avro_type: Any) -> bool:
    return "bytes" in avro_type or (isinstance(avro_type, dict) and avro_type.get("values") == "bytes")


def find_fault(message: Message, schema: Schema) -> str | None:
    """Say what is wrong with the first wrong field, or None. Bytes and maps are left to fastavro.

    The limits on texts do not hold beside them: a dead letter must be able to hold anything.
    """
    limited = not any(_holds_bytes(field["type"]) for field in schema["fields"])
    for field in schema["fields"]:
        name = f"{schema['name']}.{field['name']}"
        max_bytes = None if not limited else MAX_ADDRESS_BYTES if name in LONG_TEXTS else MAX_TEXT_BYTES
        fault = _fault_of(getattr(message, field["name"]), field["type"], max_bytes)
        if fault is not None:
            return f"{name} {fault}"
    return None


def _fault_of(value: Any, avro_type: Any, max_bytes: int | None) -> str | None:
    if isinstance(avro_type, dict) and avro_type["type"] == "array":
        return _fault_of_array(value, avro_type["items"])
    if avro_type == "string":
        return _fault_of_text(value, max_bytes)
    if avro_type in ("int", "long"):
        if not isinstance(value, int):
            return f"is {type(value).__name__}, where an integer belongs"
        if value not in RANGES[avro_type]:
            return f"is {value}, beyond an Avro {avro_type}"
    return None


def _fault_of_array(values: Any, item_type: Any) -> str | None:
    """Say what is wrong with the first wrong item of an array, of texts and integers or of flat records of them."""
    if not isinstance(values, tuple):
        return f"is {type(values).__name__}, where a tuple belongs"
    if len(values) > MAX_LINES:
        return f"has {len(values)} items; at most {MAX_LINES} are allowed"
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
    """Say what is wrong with a text; one without `max_bytes` may be of any length and hold NUL."""
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
