"""Kafka's murmur2 of one key, remembered: an order's key comes again with each of its events."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from aiokafka.partitioner import murmur2

FEW: Final = 8
"""So few keys are hashed sooner one by one: the matrix of murmur2_of_many.py costs 40 us before the first key."""
_SHORT: Final = 64
"""Bytes of the longest key that is remembered; keys come from strangers too."""
_remembered = lru_cache(maxsize=16_384)(murmur2)


def murmur2_of(key: bytes) -> int:
    """Return the hash of a key, as an unsigned number of 32 bits."""
    return int(_remembered(key) if len(key) <= _SHORT else murmur2(key))
