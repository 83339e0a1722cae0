"""What keeps the API from listening, and settings that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.base.errors import SettingsError
from infra.base.settings import load_settings
from infra.edge.api.options import ApiOptions, require_safe
from tests.harness.certificates import self_signed


def options(**changes: Any) -> ApiOptions:
    return ApiOptions(kafka_bootstrap="", postgres_dsn="", redis_url="", **changes)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_anybody_may_call_it(host: str) -> None:
    require_safe(options(host=host), has_callers=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example"])  # noqa: S104
def test_elsewhere_it_wants_callers_that_show_who_they_are_and_a_transport_that_nobody_reads(
    host: str, tmp_path: Path
) -> None:
    certificate, key = self_signed(tmp_path)
    with pytest.raises(SettingsError, match="lastunit keys create"):
        require_safe(options(host=host, tls_cert=certificate, tls_key=key), has_callers=False)
    with pytest.raises(SettingsError, match="LASTUNIT_API_TLS_CERT"):
        require_safe(options(host=host), has_callers=True)
    require_safe(options(host=host, tls_cert=certificate, tls_key=key), has_callers=True)
    require_safe(options(host=host, proxies=("192.0.2.9",)), has_callers=True)


def test_behind_a_proxy_that_is_named_callers_are_elsewhere() -> None:
    with pytest.raises(SettingsError, match="lastunit keys create"):
        require_safe(options(proxies=("127.0.0.1",)), has_callers=False)
    require_safe(options(proxies=("127.0.0.1",)), has_callers=True)


def test_files_that_are_no_certificate_and_key_are_refused(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    (tmp_path / "other").mkdir()
    for pair in ((key, key), (certificate, self_signed(tmp_path / "other")[1]), (tmp_path / "missing", key)):
        with pytest.raises(SettingsError, match="two PEM files"):
            require_safe(options(tls_cert=pair[0], tls_key=pair[1]), has_callers=True)


@pytest.mark.parametrize(
    "given",
    [
        {"api_tls_cert": "cert.pem"},
        {"api_tls_key": "key.pem"},
        {"api_jwt_issuer": "https://issuer.example"},
        {"api_jwt_issuer": "i", "api_jwt_audience": "a"},
        {"api_jwt_issuer": "i", "api_jwt_audience": "a", "api_jwt_keys": "http://issuer.example/keys"},
        {"api_jwt_issuer": "i", "api_jwt_audience": "a", "api_jwt_keys": "ftp://issuer.example/keys"},
        {"api_proxies": "proxy.example"},
        {"api_rate_limit": -1},
        {"api_cors_origins": "*"},
        {"api_cors_origins": "null"},
        {"api_cors_origins": "https://shop.example https://*.example"},
        {"api_cors_origins": "https://shop.example/"},
        {"api_cors_origins": "HTTPS://Shop.example"},
        {"api_cors_origins": "shop.example"},
    ],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="LASTUNIT_"):
        load_settings(**given)


@pytest.mark.parametrize(
    "keys", ["keys.json", "https://issuer.example/keys", "http://127.0.0.1:8080/keys", "http://[::1]/k"]
)
def test_settings_that_can(keys: str) -> None:
    load_settings(api_jwt_issuer="i", api_jwt_audience="a", api_jwt_keys=keys, api_proxies="192.0.2.1 2001:db8::/32")
