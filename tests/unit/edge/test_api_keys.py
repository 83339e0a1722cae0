"""API keys as texts: what scanners look for, what is refused before anybody is asked, and what is kept."""

from __future__ import annotations

import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.edge.access.key_text import PATTERN, digest_of, is_key, new_key


def test_a_key_has_a_prefix_256_random_bits_and_a_checksum() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        assert re.fullmatch(r"lastunit_[0-9A-Za-z]{49}", key)
        assert is_key(key)


def test_the_checksum_is_the_crc_32_of_the_random_digits() -> None:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    match = PATTERN.fullmatch(new_key())
    assert match is not None
    number = 0
    for digit in match[2]:
        number = number * 62 + digits.index(digit)
    assert number == zlib.crc32(match[1].encode())


@given(st.integers(0, 57), st.sampled_from("0Zz_!\u0661"))
def test_one_wrong_character_is_noticed(at: int, character: str) -> None:
    key = new_key()
    assert is_key(key[:at] + character + key[at + 1 :]) is (key[at] == character)


@pytest.mark.parametrize("text", ["", "lastunit_", "lastunit_" + "0" * 48, "lastunit_" + "0" * 49 + "\n", "0" * 58])
def test_what_is_no_key_is_refused(text: str) -> None:
    assert not is_key(text)


def test_a_digest_distinguishes_keys_and_has_none_of_the_key() -> None:
    one, other = new_key(), new_key()
    assert digest_of(one) == digest_of(one) != digest_of(other)
    assert len(digest_of(one)) == 32
    assert digest_of(one).hex() not in one
