from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from consumers.runtime.log_identity import record_digest


class Read(msgspec.Struct):
    """As much of a record as is read."""

    partition: int = 3
    offset: int = 41
    timestamp: int = 1_790_000_000_000
    key: bytes | None = b"MUG"
    value: bytes | None = b"value"
    headers: Sequence[tuple[str, bytes]] = (("ce_id", b"a"),)


def test_a_digest_names_its_offset_and_is_the_same_for_the_same_record() -> None:
    offset, _, digest = record_digest(Read()).partition(":")
    assert (offset, len(digest)) == ("41", 32)
    assert record_digest(Read()) == record_digest(Read(partition=9))


@pytest.mark.parametrize(
    "other",
    [
        {"timestamp": 1_790_000_000_001},
        {"key": b"TIN"},
        {"key": None},
        {"key": b""},
        {"value": None},
        {"value": b""},
        {"value": b"valu"},
        {"headers": ()},
        {"headers": (("ce_id", b"b"),)},
        {"headers": (("ce_i", b"da"),)},
    ],
)
def test_another_record_has_another_digest(other: dict[str, object]) -> None:
    assert record_digest(msgspec.structs.replace(Read(), **other)) != record_digest(Read())
