"""Who is let in by the head of a request, with keys that are known already."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.edge.access.authentication import Authentication
from infra.edge.access.key_set import KeySet
from infra.edge.access.key_text import digest_of, new_key
from infra.edge.access.known_keys import VALID_SECONDS, KnownKeys
from infra.edge.access.principal import (
    ANYBODY,
    AccessError,
    CannotTellError,
    InsecureTransportError,
    Principal,
    UnknownCallerError,
)
from infra.edge.access.tokens import Tokens

KEY = new_key()


def row(**changes: Any) -> dict[str, Any]:
    good = {"client": "key-1", "scopes": ["orders:read"], "expires_at": None, "sha256": digest_of(KEY)}
    return {**good, "is_revoked": False, **changes}


def authentication(*rows: dict[str, Any], age: float = 0.0, **changes: Any) -> Authentication:
    keys = KnownKeys("")
    keys._take(list(rows), time.monotonic() - age)
    return Authentication(keys, changes.get("tokens"), is_for_this_machine=changes.get("is_for_this_machine", True))


async def admitted(
    by: Authentication, authorization: str, *, scheme: str = "http", host: str = "127.0.0.1"
) -> Principal:
    headers = {b"authorization": authorization.encode("latin-1")} if authorization else {}
    return await by.admit({"scheme": scheme, "client": (host, 1)}, headers)


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
async def test_a_key_lets_its_client_in(kind: str) -> None:
    for spaces in (" ", "   "):
        assert (await admitted(authentication(row()), f"{kind}{spaces}{KEY}")).client == "key-1"


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"is_revoked": True}, "revoked"), ({"expires_at": 1.0}, "past its time")],
)
async def test_a_key_that_has_ended_is_refused_with_the_reason(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(UnknownCallerError, match=why):
        await admitted(authentication(row(**changes)), f"Bearer {KEY}")


async def test_a_key_that_cannot_be_checked_any_more_is_not_taken() -> None:
    old = authentication(row(), age=VALID_SECONDS + 1)
    with pytest.raises(CannotTellError):
        await admitted(old, f"Bearer {KEY}")
    assert not old.still_admits(Principal("key-1", frozenset(), None, digest_of(KEY)))


async def test_who_was_let_in_stays_until_the_key_ends() -> None:
    principal = await admitted(authentication(row()), f"Bearer {KEY}")
    assert authentication(row()).still_admits(principal)
    for ended in (authentication(row(is_revoked=True)), authentication(row(expires_at=1.0)), authentication()):
        assert not ended.still_admits(principal)
    assert authentication().still_admits(ANYBODY)
    assert not authentication(row()).still_admits(ANYBODY)


async def test_without_keys_and_tokens_this_machine_is_let_in_and_nobody_else() -> None:
    for authorization in ("", "Basic eDp5", "Bearer x"):
        assert await admitted(authentication(), authorization) is ANYBODY
        for closed in (authentication(row(is_revoked=True)), authentication(is_for_this_machine=False)):
            assert not closed.is_open
            with pytest.raises(UnknownCallerError):
                await admitted(closed, authorization)


async def test_credentials_in_the_clear_are_refused_whatever_they_are() -> None:
    for authorization in (f"Bearer {KEY}", "Bearer x", "Basic eDp5"):
        with pytest.raises(InsecureTransportError):
            await admitted(authentication(row()), authorization, host="192.0.2.1")
    assert (await admitted(authentication(row()), f"Bearer {KEY}", scheme="https", host="192.0.2.1")).client == "key-1"


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(max_codepoint=255), max_size=200) | st.from_regex(r"[Bb]earer [\w.-]+\.[\w.-]*\.?[\w]*"))
async def test_whatever_the_header_is_it_is_refused(authorization: str) -> None:
    closed = authentication(row(), tokens=Tokens(KeySet("/nonexistent"), issuer="i", audience="a"))
    try:
        await admitted(closed, authorization.encode("latin-1", "ignore").decode("latin-1"))
    except AccessError:
        return
    raise AssertionError(authorization)
