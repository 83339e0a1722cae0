"""The options of the API: where it runs, and what keeps it from listening there."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec

from infra.base.errors import SettingsError
from infra.edge.access.transport import is_loopback


class ApiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the API needs to know about where it runs. `in_use` has the partitions in use of topics with a fixed number.

    `jwt_keys` is a JWKS file or its address, empty where no tokens are taken. `rate_limit` are the requests of one client in the window, 0 for any number. `tls_cert` and `tls_key` are PEM files; `proxies` are addresses or networks of proxies that speak TLS for it; `cors_origins` those whose pages may call it.
    """

    kafka_bootstrap: str
    postgres_dsn: str
    redis_url: str
    namespace: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    hold_seconds: int = 900
    max_in_flight: int = 1_000
    jwt_issuer: str = ""
    jwt_audience: str = ""
    jwt_keys: str = ""
    rate_limit: int = 60_000
    rate_window_seconds: int = 60
    in_use: dict[str, int] = {}

    @property
    def is_for_this_machine(self) -> bool:
        """Whether nobody from elsewhere reaches it."""
        return is_loopback(self.host) and not self.proxies


def require_safe(options: ApiOptions, *, has_callers: bool) -> None:
    """Raise SettingsError for an address at which anybody could send commands, or read the keys of who may.

    `has_callers` is whether a key was made or tokens are taken.
    """
    _require_certificate(options)
    if options.is_for_this_machine:
        return
    where = f"LASTUNIT_API_HOST={options.host} is reachable from elsewhere"
    if options.proxies:
        where = f"LASTUNIT_API_PROXIES={' '.join(options.proxies)} lets others reach it"
    if not has_callers:
        raise SettingsError(
            f"{where}, and anybody could send commands. Make a key first: `lastunit keys create NAME --scope SCOPE`,"
            " or name an issuer of tokens, LASTUNIT_API_JWT_ISSUER; else set LASTUNIT_API_HOST to 127.0.0.1, without proxies."
        )
    if options.tls_cert is None and not options.proxies:
        raise SettingsError(
            f"{where}, and keys would travel in the clear. Name a certificate and its key, LASTUNIT_API_TLS_CERT and"
            " LASTUNIT_API_TLS_KEY, or the proxies that speak TLS in front of it, LASTUNIT_API_PROXIES."
        )


def _require_certificate(options: ApiOptions) -> None:
    if options.tls_cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(options.tls_cert, options.tls_key)
    except OSError as error:  # an SSLError is one
        raise SettingsError(
            f"LASTUNIT_API_TLS_CERT={options.tls_cert} and LASTUNIT_API_TLS_KEY cannot be used ({error}): name two PEM files,"
            " a certificate with its chain and its key without a passphrase."
        ) from error
