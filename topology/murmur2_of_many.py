"""murmur2 as Java's, for many keys at once: keys of one length are a matrix of 32-bit words, whose columns it walks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from topology.murmur2 import FEW, murmur2_of

Hashes: TypeAlias = NDArray[np.uint32]

_SEED: Final = 0x9747B28C
_MIX: Final = np.uint32(0x5BD1E995)


def hashes_of(keys: Sequence[bytes]) -> Hashes:
    """Return the murmur2 of each key, in order."""
    length = len(keys[0])
    if set(map(len, keys)) == {length}:
        return hashes_of_length(keys, length)

    indices: defaultdict[int, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        indices[len(key)].append(index)
    hashes = np.empty(len(keys), np.uint32)
    for length, group in indices.items():
        hashes[group] = hashes_of_length([keys[index] for index in group], length)
    return hashes


def hashes_of_length(keys: Sequence[bytes], length: int) -> Hashes:
    """Return the murmur2 of each key; all keys are `length` bytes long."""
    if len(keys) < FEW:
        return np.array([murmur2_of(key) for key in keys], np.uint32)
    rows = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), length)
    hashes = np.full(len(keys), _SEED ^ length, np.uint32)
    whole = length & ~3
    for word in _mixed_words(rows[:, :whole]):
        hashes *= _MIX
        hashes ^= word
    if whole < length:
        for place in range(length - whole):
            hashes ^= rows[:, whole + place].astype(np.uint32) << (8 * place)
        hashes *= _MIX
    hashes ^= hashes >> 13
    hashes *= _MIX
    hashes ^= hashes >> 15
    return hashes


def _mixed_words(rows: NDArray[np.uint8]) -> Hashes:
    """Return the keys' little-endian 32-bit words, scrambled: one row for each word, one column for each key."""
    words = np.ascontiguousarray(rows).view("<u4").T * _MIX
    words ^= words >> 24
    words *= _MIX
    return np.ascontiguousarray(words)
