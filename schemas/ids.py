"""Ids: order ids that sort by time, and event ids that derive from their cause.

Decision: docs/decisions, 023.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import uuid_utils

from schemas.errors import InvalidIdError
from schemas.limits import ORDER_ID_AHEAD_MS, ORDER_ID_WINDOW_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_is_uuid7: Final = _UUID7.fullmatch
_DIGITS: Final = 36
"""Characters of a UUID in canonical form."""
MAX_ID_MS: Final = 2**48 - 1
"""The latest moment that a UUIDv7 can name, in ms since the Unix epoch: the year 10889."""


CANCELLED: Final = "cancelled"
"""The refund id of what goes back because the order was cancelled."""
UNCOVERED: Final = "uncovered"
"""The refund id of money that somebody captured at the processor and that pays for nothing."""
OF_A_LINE: Final = "line:"
"""How the refund id of a line begins, and the id of a parcel that nobody announced."""

NIL_UUID: Final = "00000000-0000-0000-0000-000000000000"


class EventId(NamedTuple):
    """Where an event comes from: outcome number `outcome` (from 0) of the record at this topic, partition and offset."""

    topic: str
    partition: int
    offset: int
    outcome: int


def new_order_id(now_ms: int | None = None) -> str:
    """Return a new UUIDv7 (RFC 9562, 5.7) in its canonical form: 36 characters, lower case.

    Without `now_ms` (ms since the Unix epoch, UTC) it is of now, and later ones of the same process sort after earlier
    ones; ids of one given `now_ms` are distinct but in no order. Raises InvalidIdError for a moment beyond 48 bits.
    """
    if now_ms is None:
        return str(uuid_utils.uuid7())
    if not 0 <= now_ms <= MAX_ID_MS:
        raise InvalidIdError(f"{now_ms} ms is no moment that a UUIDv7 can name; give 0 to {MAX_ID_MS}")
    return str(uuid_utils.uuid7(nanoseconds=now_ms * 1_000_000))


def is_order_id(text: str) -> bool:
    """Tell whether a text is a UUIDv7 in canonical form: other spellings of one id would be other keys."""
    return _is_uuid7(text) is not None


def are_order_ids(texts: Sequence[str]) -> bool:
    """Tell whether each of many texts is an order id, in a third of a regular expression's time."""
    joined, many = "".join(texts), len(texts)
    if set(map(len, texts)) != {_DIGITS} or not joined.isascii():
        return False
    together = joined.encode()
    # Four hyphens each, which are where they belong, and else only digits.
    return (
        together.translate(None, b"0123456789abcdef") == b"-" * (4 * many)
        and all(together[place::_DIGITS] == b"-" * many for place in (8, 13, 18, 23))
        and together[14::_DIGITS] == b"7" * many
        and not together[19::_DIGITS].translate(None, b"89ab")
    )


def order_id_ms(order_id: str) -> int:
    """Return when the id was made, in ms since the Unix epoch, by its maker's clock. Raises InvalidIdError for no id."""
    if _is_uuid7(order_id) is None:
        raise InvalidIdError(
            f"{order_id[:64]!r} is no UUIDv7 of 36 lower-case characters; make one with new_order_id()"
        )
    return int(order_id[:8] + order_id[9:13], 16)


TIME_DIGITS: Final = 13
"""Characters of an order id that name its time: 48 bits in hexadecimal, with the first hyphen among them."""


def id_time(at_ms: int) -> str:
    """Return how the ids made at `at_ms` (ms since the Unix epoch) begin: ids, and these beginnings, sort by time as text."""
    digits = f"{at_ms:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def last_id(at_ms: int) -> str:
    """Return the id behind which, as text and as a UUID, all ids made after `at_ms` (ms since the Unix epoch) sort."""
    return f"{id_time(at_ms)}-ffff-ffff-ffffffffffff"


def is_in_window(uuid: str, at_ms: int, *, margin_ms: int = 0) -> bool:
    """Tell whether what was made under this UUIDv7 (`is_order_id`) is answered for at `at_ms`, an append time.

    The margin is added on both sides.
    """
    earliest, latest = _window(at_ms, margin_ms)
    return earliest <= uuid[:TIME_DIGITS] <= latest


@lru_cache(maxsize=16)  # the broker stamps a batch of records, not each
def _window(at_ms: int, margin_ms: int) -> tuple[str, str]:
    """Return how the earliest and the latest id in the window begin: UUIDv7 sorts by time as text too."""
    earliest_ms, latest_ms = at_ms - ORDER_ID_WINDOW_MS - margin_ms, at_ms + ORDER_ID_AHEAD_MS + margin_ms
    return id_time(max(0, earliest_ms)), id_time(min(MAX_ID_MS, latest_ms))


def command_uuid(command_id: str) -> str:
    """Return the UUIDv7 of a command about stock, which says when it was made; `NIL_UUID` for one that only has a name.

    A UUIDv7 may stand alone, or after a word and a slash, as in `adjust/<UUIDv7>`.
    """
    match = _uuid7_of_command(command_id)
    return match[1] if match else NIL_UUID


_uuid7_of_command: Final = re.compile(rf"(?:[^/]*/)?({_UUID7.pattern})").fullmatch


def event_id(topic: str, partition: int, offset: int, index: int) -> str:
    """Return the id of the `index`-th (from 0) outcome of one record: the same whenever the record is decided again."""
    return f"{topic}/{partition}/{offset}/{index}"


def parse_event_id(text: str) -> EventId:
    """Return the parts of an event id (a topic's name holds no slash). Raises InvalidIdError for anything else."""
    topic, *numbers = text.split("/")
    if not topic or len(numbers) != len(EventId._fields) - 1 or not all(map(_is_number, numbers)):
        raise InvalidIdError(f"{text[:64]!r} is no event id; it reads topic/partition/offset/index")
    return EventId(topic, *map(int, numbers))


_is_number: Final = re.compile(r"0|[1-9][0-9]{0,18}").fullmatch
