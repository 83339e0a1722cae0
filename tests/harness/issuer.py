"""Somebody who issues tokens: keys of each kind, their JWKS, and tokens signed with them, or as an attacker would."""

from __future__ import annotations

import base64
import functools
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://issuer.example", "lastunit"
MAKERS: dict[str, Any] = {
    "RS256": lambda: rsa.generate_private_key(65_537, 2_048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
TO_JWK: dict[str, Any] = {"RS256": RSAAlgorithm.to_jwk, "ES256": ECAlgorithm.to_jwk, "EdDSA": OKPAlgorithm.to_jwk}


class SigningKey:
    """A private key of a kind."""

    def __init__(self, kid: str, algorithm: str, private: Any = None) -> None:
        self.kid, self.algorithm = kid, algorithm
        self._private = private

    @functools.cached_property
    def private(self) -> Any:
        """The key, drawn when it is first used: one for RS256 takes half a second of CPU."""
        return self._private or MAKERS[self.algorithm]()

    def jwk(self, **members: Any) -> dict[str, Any]:
        """Return the public key as a member of a JWKS."""
        return {**TO_JWK[self.algorithm](self.private.public_key(), as_dict=True), "kid": self.kid, **members}

    def token(self, header: Mapping[str, Any] | None = None, algorithm: str = "", **changes: Any) -> str:
        """Return a token with claims that are good but for the changes; None leaves a claim out."""
        named = {"kid": self.kid, **(header or {})}
        headers = {name: value for name, value in named.items() if value is not None}
        return jwt.encode(claims(**changes), self.private, algorithm or self.algorithm, headers=headers)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "erp", "iat": now, "exp": now + 300, "scope": "orders:read x:y"}
    return {name: value for name, value in (good | changes).items() if value is not None}


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def encoded(document: Any) -> str:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def forged(header: Any, secret: bytes | None = None, **changes: Any) -> str:
    """Return a token that is signed with a secret by HMAC, or with nothing."""
    signed = f"{encoded(header)}.{encoded(claims(**changes))}"
    signature = b"" if secret is None else hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{encoded(signature)}"


class ServedKeys:
    """A JWKS at an address on loopback; `asked` counts who fetched it."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.asked = 0
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[ServedKeys]:
        async def answer(_: web.Request) -> web.Response:
            self.asked += 1
            return web.Response(body=self.document, content_type="application/json")

        app = web.Application()
        app.router.add_get("/keys", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
        try:
            yield self
        finally:
            await runner.cleanup()
