"""How other clients choose a partition where they do not do as Java's: for naming the setting that misroutes records.

Each function takes a key and returns a number that its client takes modulo the number of partitions.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from aiokafka.partitioner import murmur2

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_UINT32: Final = 0xFFFFFFFF
_POSITIVE: Final = 0x7FFFFFFF
_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995


class Partitioner(NamedTuple):
    """A partitioner that is not ours: whose it is, and what to set instead."""

    name: str
    mend: str
    hash_of: Callable[[bytes], int]


def crc32(key: bytes) -> int:
    """Hash as librdkafka's `consistent` and `consistent_random`."""
    return zlib.crc32(key)


def fnv1a(key: bytes) -> int:
    """Hash as Sarama's NewHashPartitioner and librdkafka's `fnv1a`, which drop the sign."""
    digest = 0x811C9DC5
    for byte in key:
        digest = (digest ^ byte) * 0x01000193 & _UINT32
    return abs(_int32(digest))


def unsigned_murmur2(key: bytes) -> int:
    """Hash as @platformatic/kafka's default, which keeps the sign bit: right where the partitions are a power of two."""
    return int(murmur2(key)) & _UINT32


def kafkajs_legacy(key: bytes) -> int:
    """Hash as kafkajs' LegacyPartitioner: murmur2 whose products are rounded to doubles, and whose last word comes twice."""
    length = len(key)
    padded = key + b"\0" * 4
    digest: float = _int32(_SEED ^ length)
    for at in range(0, length, 4):
        word: float = _int32(int.from_bytes(padded[at : at + 4], "little"))
        mixed = _int32(float(word) * _MIX)
        mixed = _int32(mixed ^ (mixed & _UINT32) >> 24)
        digest = _int32(float(digest) * _MIX) ^ _int32(float(mixed) * _MIX)
    if rest := length % 4:
        digest = _int32(_int32(digest) ^ int.from_bytes(key[length - rest :], "little"))
        digest = float(digest) * _MIX
    last = _int32(digest)
    last = _int32(last ^ (last & _UINT32) >> 13)
    last = _int32(float(last) * _MIX)
    return _int32(last ^ (last & _UINT32) >> 15) & _POSITIVE


def _int32(number: float) -> int:
    """Return a number as JavaScript's bit operators take it."""
    bits = int(number) & _UINT32
    return bits - 2**32 if bits > _POSITIVE else bits


FOREIGN: Final = (
    Partitioner("CRC32, librdkafka's default", "set partitioner=murmur2_random", crc32),
    Partitioner(
        "FNV-1a, Sarama's default", "set Partitioner to murmur2, Java's; librdkafka: partitioner=murmur2_random", fnv1a
    ),
    Partitioner(
        "LegacyPartitioner of kafkajs", "set createPartitioner: Partitioners.DefaultPartitioner", kafkajs_legacy
    ),
    Partitioner("@platformatic/kafka's default", "set partitioner: compatibilityPartitioner", unsigned_murmur2),
)
LEAST_RECORDS: Final = 3
"""Of fewer records with different keys too many partitioners may have chosen the partitions by chance."""


class Suspect(NamedTuple):
    """Who put records where they do not belong: the partitioner, None where none of those known did; and by how many keys it is known."""

    partitioner: Partitioner | None
    keys: int

    @property
    def text(self) -> str:
        """The finding for people, with the setting to change."""
        if self.partitioner is None:
            return (
                f"none that goes by the key has put {self.keys} keys where they are: round robin, sticky or random. "
                "Give each record its key, and partition by murmur2, Java's default"
            )
        doubt = "" if self.keys >= LEAST_RECORDS else f", by {self.keys} only, which may be chance"
        return f"{self.partitioner.name} ({self.keys} keys are where it puts them{doubt}): {self.partitioner.mend}"


def suspect(misrouted: Collection[tuple[bytes, int]], partitions: int) -> Suspect | None:
    """Return which partitioner put all of these (key, partition) where they are, in a topic of so many; None without any."""
    places = {(key, partition) for key, partition in misrouted if 0 <= partition < partitions}
    if not places:
        return None
    for known in FOREIGN:
        if all(known.hash_of(key) % partitions == partition for key, partition in places):
            return Suspect(known, len(places))
    return Suspect(None, len(places))
