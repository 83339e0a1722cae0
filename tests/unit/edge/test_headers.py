"""What the API reads from headers: keys, how long to wait, and where a stream was left."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.edge.api.events import read_vector, write_vector
from infra.edge.api.guard import HEADERS
from infra.edge.api.keys import KEY_PATTERN
from infra.edge.api.problems import ProblemError
from infra.edge.api.requests import MAX_WAIT_SECONDS, key_of, wait_seconds

KEY = b"idempotency-key"


@pytest.mark.parametrize(
    ("given_key", "key"), [("abc", "abc"), ('"abc"', "abc"), (r'"a\"b\\c"', 'a"b\\c'), (" a ", "a"), ("a b", "a b")]
)
def test_a_key_is_a_text_bare_or_in_quotes(given_key: str, key: str) -> None:
    assert key_of({KEY: given_key.encode("latin-1")}, is_required=True) == key
    assert re.search(KEY_PATTERN, given_key)  # as the OpenAPI document has it


@pytest.mark.parametrize("given_key", ["", '""', " ", "x" * 256, "caf\u00e9", "a\tb"])
def test_what_is_no_key_is_refused(given_key: str) -> None:
    with pytest.raises(ProblemError) as raised:
        key_of({KEY: given_key.encode("latin-1")}, is_required=False)
    assert raised.value.problem.errors[0].header == "Idempotency-Key"


def test_a_missing_key_is_refused_only_where_it_is_required() -> None:
    assert key_of({}, is_required=False) is None
    with pytest.raises(ProblemError):
        key_of({}, is_required=True)


@pytest.mark.parametrize(
    ("preference", "seconds"),
    [
        ("wait=5", 5),
        ("respond-async, wait=5", 5),
        ("respond-async;foo=1, WAIT = 7", 7),
        ("wait=9999", MAX_WAIT_SECONDS),
        ("wait=-1", 0),
        ("wait=x", 0),
        ("waiting=5", 0),
        ("respond-async", 0),
        ("", 0),
    ],
)
def test_how_long_to_wait_is_a_preference(preference: str, seconds: int) -> None:
    assert wait_seconds(asked(preference)) == seconds


def test_preferences_may_come_in_several_headers() -> None:
    assert wait_seconds(asked("wait=5", "respond-async")) == 5
    assert wait_seconds(asked()) == 0


def asked(*preferences: str) -> Any:
    headers = [(b"prefer", preference.encode()) for preference in preferences]
    return SimpleNamespace(scope={"headers": headers, HEADERS: dict(headers)})


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 1023), st.integers(0, 10**18 - 1)))
def test_a_vector_reads_as_it_was_written(positions: dict[int, int]) -> None:
    assert read_vector(write_vector(positions)) == positions


@pytest.mark.parametrize("text", ["x", "1", "1:x", "1:2:3", "-1:2", "1:-1", "1:99999999999999999999", "\u0661:1"])
def test_what_is_no_vector_is_refused(text: str) -> None:
    with pytest.raises(ProblemError):
        read_vector(text)
