"""What waits behind a dead letter of a SKU, as far as an operator asked for it: how many records, and how many were let through.

Decision: docs/decisions, 051.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

PARKED: Final = "parked"
"""The reason of the dead letters of records that wait."""
_WAITS: Final = re.compile(r"number (\d+) of those that wait behind (.+)")


class Parking(msgspec.Struct, frozen=True):
    """That a SKU is parked, `by` which command, and how many records it has `counted` and `released` since.

    While `is_armed` the SKU's next dead letter is waited for, while `is_open` what waited is let through.
    """

    by: str
    is_armed: bool = False
    counted: int = 0
    released: int = 0
    is_open: bool = False

    @property
    def holds_back(self) -> bool:
        """Tell whether what comes has to wait."""
        return not self.is_armed and not self.is_open

    @property
    def waiting(self) -> int:
        """Records that wait."""
        return self.counted - self.released


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Parking).decode


def stored(parking: Parking | None) -> str:
    """Return what `stock.parking` has of it: JSON, nothing where the SKU is not parked."""
    return "" if parking is None else _encode(parking).decode()


def read_stored(text: str) -> Parking | None:
    """Return what `stored` wrote."""
    return _decode(text) if text else None


def sku_in(key: bytes | None) -> str:
    """Return the SKU that a record's key is, if it is any; no SKU is empty."""
    try:
        return "" if key is None or b"\0" in key else key.decode()
    except UnicodeDecodeError:
        return ""


def place_in_words(parking: Parking) -> str:
    """Return the detail of the next record's dead letter: which number it has, and behind which command."""
    return f"number {parking.counted + 1} of those that wait behind {parking.by}"


def read_place(detail: str) -> tuple[int, str] | None:
    """Return the number and the command that `place_in_words` wrote; None for any other detail."""
    match_ = _WAITS.fullmatch(detail)
    return (int(match_[1]), match_[2]) if match_ else None
