"""A wrong partitioner is named by the places of the records that it misrouted."""

from __future__ import annotations

import pytest

from topology import foreign_partitioners as foreign
from topology.partitioner import partition_of

# src/rdfnv1a.c of librdkafka, which has them from Go.
FNV1A = {b"kafka": 0xD33C4E1, b"giberish123456789": 0x77A58295, b"1234": 0x23BDD03, b"234": 0x2DEA3CD2, b"": 0x7EE3623B}
# src/producer/partitioners/default/murmur2.spec.js of kafkajs before 2.0, whose default is the LegacyPartitioner since.
LEGACY = {
    b"0": 272173970,
    b"1": 1311020360,
    b"128": 2053105854,
    b"2187": -2081355488,
    b"16384": 204404061,
    b"78125": -677491393,
    b"279936": -622460209,
    b"823543": 651276451,
    b"2097152": 944683677,
    b"4782969": -892695770,
    b"10000000": -1778616326,
    b"19487171": -518311627,
    b"35831808": 556972389,
    b"62748517": -233806557,
    b"105413504": -109398538,
    b"170859375": 102939717,
}
KEYS = [f"SKU-{number}".encode() for number in range(40)]
PARTITIONS = 12


@pytest.mark.parametrize(("key", "expected"), FNV1A.items())
def test_fnv_1a_is_as_librdkafka_has_it(key: bytes, expected: int) -> None:
    assert foreign.fnv1a(key) == expected


@pytest.mark.parametrize(("key", "expected"), LEGACY.items())
def test_the_legacy_murmur2_is_as_kafkajs_has_it(key: bytes, expected: int) -> None:
    assert foreign.kafkajs_legacy(key) == expected & 0x7FFFFFFF


@pytest.mark.parametrize("known", foreign.FOREIGN, ids=lambda known: known.name)
def test_who_misrouted_is_named_with_what_to_set(known: foreign.Partitioner) -> None:
    chosen = [(key, known.hash_of(key) % PARTITIONS) for key in KEYS]
    misrouted = [(key, place) for key, place in chosen if place != partition_of(key, PARTITIONS)]
    suspect = foreign.suspect(misrouted, PARTITIONS)
    assert suspect == foreign.Suspect(known, len(misrouted))
    assert known.mend in suspect.text


def test_places_that_no_key_explains_are_round_robin() -> None:
    suspect = foreign.suspect([(key, number % PARTITIONS) for number, key in enumerate(KEYS)], PARTITIONS)
    assert suspect is not None
    assert (suspect.partitioner, "round robin" in suspect.text) == (None, True)


def test_one_record_may_be_chance_and_none_suspects_nobody() -> None:
    suspect = foreign.suspect([(b"MUG", foreign.crc32(b"MUG") % PARTITIONS)], PARTITIONS)
    assert suspect is not None
    assert "may be chance" in suspect.text
    assert foreign.suspect([], PARTITIONS) is None
    assert foreign.suspect([(b"MUG", 40)], PARTITIONS) is None  # the topic had other partitions then
