"""Tokens of another issuer: which are taken, and every way we know in which a forged one is not."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infra.base.errors import SettingsError
from infra.edge.access import key_set as key_sets
from infra.edge.access.key_set import KeySet, UnreadableKeySetError, read_keys
from infra.edge.access.principal import CannotTellError, UnknownCallerError
from infra.edge.access.tokens import LEEWAY_SECONDS, MAX_REMEMBERED, Tokens
from tests.harness.issuer import AUDIENCE, ISSUER, ServedKeys, SigningKey, claims, encoded, forged, key_set

RSA, EC, ED = (SigningKey(name, name) for name in ("RS256", "ES256", "EdDSA"))
KEYS = (RSA, EC, ED)
STRANGER = SigningKey("RS256", "RS256")
ATTACKERS = "https://attacker.example/keys"


@pytest.fixture
async def tokens(tmp_path: Path) -> Tokens:
    return await tokens_of(tmp_path, *(key.jwk() for key in KEYS))


async def tokens_of(folder: Path, *keys: dict[str, Any]) -> Tokens:
    path = folder / "keys.json"
    path.write_bytes(key_set(*keys))
    remote_keys = KeySet(str(path))
    await remote_keys.start()
    return Tokens(remote_keys, issuer=ISSUER, audience=AUDIENCE)


async def is_taken(tokens: Tokens, text: str) -> bool:
    return (await tokens.find(text)).client == "jwt:erp"


async def refused(tokens: Tokens, text: str) -> None:
    for _ in range(2):  # nor is it remembered as a good one
        with pytest.raises(UnknownCallerError):
            await tokens.find(text)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
async def test_a_token_names_the_client_and_its_permissions(tokens: Tokens, key: SigningKey) -> None:
    for _ in range(2):
        principal = await tokens.find(key.token())
        assert principal.client == "jwt:erp"
        assert principal.scopes == {"orders:read"}
        assert principal.expires_at == pytest.approx(time.time() + 300 + LEEWAY_SECONDS, abs=5)


@pytest.mark.parametrize("scope", [None, "", ["orders:read"], 7, "admin", "orders:read,stock:read"])
async def test_what_is_no_scope_of_ours_allows_nothing(tokens: Tokens, scope: Any) -> None:
    assert (await tokens.find(ED.token(scope=scope))).scopes == frozenset()


@pytest.mark.parametrize("header", [{"typ": None}, {"typ": "at+jwt"}, {"typ": "application/at+jwt"}, {"kid": None}])
async def test_other_headers_that_are_good(tokens: Tokens, header: dict[str, Any]) -> None:
    assert (await tokens.find(ED.token(header))).client == "jwt:erp"


# --- algorithm confusion (RFC 8725, 2.1) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("kid", ["RS256", None])
async def test_an_unsigned_token_is_refused(tokens: Tokens, name: str, kid: str | None) -> None:
    await refused(tokens, forged({"alg": name, "kid": kid} if kid else {"alg": name}))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
async def test_a_public_key_is_no_secret_of_an_hmac(tokens: Tokens, key: SigningKey) -> None:
    public = key.private.public_key()
    jwk = key.jwk()
    secrets = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        key_set(jwk),
        str(jwk.get("n", jwk.get("x"))).encode(),
        b"",
    ]
    for secret in secrets:
        for algorithm in ("HS256", key.algorithm):
            await refused(tokens, forged({"alg": algorithm, "kid": key.kid, "typ": "JWT"}, secret))


async def test_a_key_is_used_with_its_one_algorithm_only(tokens: Tokens) -> None:
    for algorithm in ("RS384", "RS512", "PS256"):
        await refused(tokens, RSA.token(algorithm=algorithm))
    for key in KEYS:
        for other in KEYS:
            if other is not key:
                await refused(tokens, key.token({"kid": other.kid}))


@pytest.mark.parametrize(
    "kid", ["../../../../dev/null", "/dev/null", "' OR '1'='1", "RS256\0", "rs256", "", "http://x/", "*"]
)
async def test_a_kid_is_compared_and_nothing_else(tokens: Tokens, kid: str) -> None:
    await refused(tokens, RSA.token({"kid": kid}))
    await refused(tokens, forged({"alg": "HS256", "kid": kid}, b""))


@pytest.mark.parametrize("kid", [7, ["RS256"], {"a": 1}, True])
async def test_a_kid_is_a_text(tokens: Tokens, kid: Any) -> None:
    await refused(tokens, forged({"alg": "RS256", "kid": kid}, b""))


async def test_a_token_brings_no_key_along(tokens: Tokens) -> None:
    stranger = {name: value for name, value in STRANGER.jwk().items() if name != "kid"}
    for header in ({"jwk": stranger}, {"jku": ATTACKERS}, {"x5u": ATTACKERS}, {"x5c": ["MIIB"]}, {}):
        await refused(tokens, STRANGER.token(header))


@pytest.mark.parametrize(
    "header", [{"crit": ["b64"], "b64": False}, {"crit": ["exp"]}, {"typ": "dpop+jwt"}, {"typ": 1}]
)
async def test_what_a_token_needs_that_we_do_not_know_refuses_it(tokens: Tokens, header: dict[str, Any]) -> None:
    text = jwt.encode(claims(), RSA.private, "RS256", headers={"kid": RSA.kid})
    changed = {"alg": "RS256", "kid": RSA.kid, **header}
    signed = f"{encoded(changed)}.{text.split('.')[1]}"
    signature = jwt.get_algorithm_by_name("RS256").sign(signed.encode(), RSA.private)
    await refused(tokens, f"{signed}.{encoded(signature)}")


async def test_without_a_kid_only_one_key_may_be_meant(tmp_path: Path) -> None:
    tokens = await tokens_of(tmp_path, RSA.jwk(), SigningKey("other", "RS256").jwk())
    await refused(tokens, RSA.token({"kid": None}))
    assert await is_taken(tokens, RSA.token())


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "x" * 9_000,
        "\xe9.\xe9.\xe9",
        encoded(b"[" * 4_000) + ".e30.x",
        "e30.e30.",
        "W10.e30.x",
    ],
)
async def test_what_is_no_token_is_refused(tokens: Tokens, text: str) -> None:
    await refused(tokens, text)


# --- claims --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        *({"aud": aud} for aud in ("other", ["other"], "", None, [], 1)),
        *({"iss": iss} for iss in ("https://other.example", ISSUER + "/", "", None)),
        *({"sub": sub} for sub in (None, "", "a\0b", "x" * 201)),
        *({"exp": exp} for exp in (None, 0, "never", 10**400)),
    ],
    ids=str,
)
async def test_each_claim_is_demanded_and_checked(tokens: Tokens, changes: dict[str, Any]) -> None:
    await refused(tokens, RSA.token(**changes))


async def test_clocks_may_differ_by_the_leeway(tokens: Tokens) -> None:
    now = int(time.time())
    assert await is_taken(tokens, RSA.token(exp=now - LEEWAY_SECONDS + 10))
    await refused(tokens, RSA.token(exp=now - LEEWAY_SECONDS - 10))
    assert await is_taken(tokens, RSA.token(nbf=now + LEEWAY_SECONDS - 10))
    await refused(tokens, RSA.token(nbf=now + LEEWAY_SECONDS + 60))
    assert await is_taken(tokens, RSA.token(aud=["other", AUDIENCE]))


async def test_a_token_that_was_good_ends_in_time(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    text = RSA.token()
    assert await is_taken(tokens, text)
    later = time.time() + 300 + LEEWAY_SECONDS + 1
    monkeypatch.setattr("infra.edge.access.tokens.time.time", lambda: later)
    await refused(tokens, text)


async def test_a_changed_token_is_refused(tokens: Tokens) -> None:
    header, _, signature = RSA.token().split(".")
    await refused(tokens, f"{header}.{encoded(claims(scope='refunds:write'))}.{signature}")
    await refused(tokens, RSA.token()[:-8])


async def test_what_is_remembered_is_bounded(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.edge.access.tokens.MAX_REMEMBERED", 3)
    for number in range(5):
        await tokens.find(ED.token(sub=f"s{number}"))
    assert len(tokens._verified) == 3 < MAX_REMEMBERED


# --- keys ----------------------------------------------------------------------------------------------------------------------


def test_keys_of_other_kinds_are_left_out() -> None:
    small = SigningKey("small", "RS256", rsa.generate_private_key(65_537, 1_024))  # noqa: S505  it is refused
    unfit: tuple[dict[str, Any], ...] = (
        {"kty": "oct", "k": encoded(b"secret" * 8), "kid": "hmac", "alg": "HS256"},
        small.jwk(),
        RSA.jwk(use="enc"),
        RSA.jwk(alg="RS512"),
        RSA.jwk(key_ops=["encrypt"]),
        EC.jwk(crv="P-384"),
        EC.jwk(alg="RS256"),
        ED.jwk(crv="X25519"),
        {"kty": "RSA", "n": 1, "e": 2},
        {},
    )
    assert [key.kid for key in read_keys(key_set(*unfit, RSA.jwk(alg="RS256", use="sig"), {"kty": "EC"}))] == ["RS256"]
    with pytest.raises(UnreadableKeySetError):
        read_keys(key_set(*unfit))


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"keys": 1}', b"<html>"])
def test_what_is_no_set_of_keys_is_refused(text: bytes) -> None:
    with pytest.raises(UnreadableKeySetError):
        read_keys(text)


async def test_a_new_key_is_fetched_once_for_all_who_ask() -> None:
    async with ServedKeys(key_set(RSA.jwk())).serving() as served:
        keys = KeySet(served.url)
        await keys.start()
        tokens = Tokens(keys, issuer=ISSUER, audience=AUDIENCE)
        assert await is_taken(tokens, RSA.token())
        assert served.asked == 1
        served.document = key_set(ED.jwk())
        await refused(tokens, ED.token())  # it was fetched a moment ago
        assert served.asked == 1
        keys._tried_at = -math.inf  # it is long ago
        principals = await asyncio.gather(*(tokens.find(ED.token(sub=f"s{number}")) for number in range(20)))
        assert len({principal.client for principal in principals}) == 20
        assert served.asked == 2
        for _ in range(20):
            await refused(tokens, SigningKey("unknown", "EdDSA", ED.private).token())
        await refused(tokens, RSA.token())  # a key that is gone verifies nothing, also what it verified before
        assert served.asked == 2
        await keys.close()


async def test_keys_that_cannot_be_read_are_good_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sets, "REFETCH_SECONDS", 0.0)
    async with ServedKeys(key_set(RSA.jwk())).serving() as served:
        keys = KeySet(served.url)
        await keys.start()
    tokens = Tokens(keys, issuer=ISSUER, audience=AUDIENCE)
    assert await is_taken(tokens, RSA.token())
    await refused(tokens, ED.token())
    monkeypatch.setattr(key_sets, "VALID_SECONDS", 0.0)
    for text in (RSA.token(), ED.token()):
        with pytest.raises(CannotTellError):
            await tokens.find(text)


async def test_an_address_that_does_not_answer_is_waited_for_and_a_missing_file_is_not(tmp_path: Path) -> None:
    await KeySet("http://127.0.0.1:1/keys").start()
    with pytest.raises(CannotTellError):
        await Tokens(KeySet("http://127.0.0.1:1/keys"), issuer=ISSUER, audience=AUDIENCE).find(RSA.token())
    with pytest.raises(SettingsError, match="LASTUNIT_API_JWT_KEYS"):
        await KeySet(str(tmp_path / "missing.json")).start()
