"""Every setting of the system, with a default that works on one machine.

Set a field by its name in capitals after LASTUNIT_: LASTUNIT_HOLD_SECONDS=600. `lastunit config` prints them all.
Longer than other files, as settings are read side by side.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.base.errors import SettingsError
from schemas.limits import MAX_HOLD_SECONDS, ORDER_ID_WINDOW_MS

PREFIX = "LASTUNIT_"
WINDOW_DAYS = ORDER_ID_WINDOW_MS // (24 * 60 * 60 * 1000)

_PASSWORD_IN_URL = re.compile(r"(?P<before>://[^:/@\s]*:)[^/\s]*(?=@)")
_PASSWORD_IN_QUERY = re.compile(r"(?P<before>\bpassword=)[^&\s]*", re.IGNORECASE)
_SECRET_NAMES = ("_secret", "_api_key")
_ORIGIN = re.compile(
    r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
)  # RFC 6454, 6.2: in lower case, no path
_NAMESPACE = r"^[A-Za-z0-9._-]{0,100}$"  # what Kafka accepts in a topic's name, with room for the name itself

AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]


def redacted(text: str) -> str:
    """Return `text` with the passwords of URLs and DSNs in it replaced by stars."""
    return _PASSWORD_IN_QUERY.sub(r"\g<before>***", _PASSWORD_IN_URL.sub(r"\g<before>***", text))


def _shown(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return "***" if value and name.endswith(_SECRET_NAMES) else redacted(value)


class Settings(BaseSettings):
    """The one settings object; build it with `load_settings()` for readable errors."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", validate_default=True
    )

    # Servers: None means that the embedded one is started and used.
    kafka_bootstrap: str | None = Field(
        default=None, description="Existing Kafka, host:port[,host:port]; unset: the embedded one"
    )
    postgres_dsn: str | None = Field(
        default=None, description="Existing PostgreSQL (tested with 18), postgresql://user:password@host:port/database"
    )
    redis_url: str | None = Field(default=None, description="Existing Redis or Valkey, redis://:password@host:port/0")
    processor_url: str | None = Field(
        default=None, description="Payment processor's base URL; unset: the built-in sandbox"
    )
    processor: Literal["simulated", "stripe"] = Field(
        default="simulated", description="Who moves the money: the built-in sandbox's protocol, or Stripe"
    )
    stripe_api_key: str | None = Field(default=None, description="Stripe's secret key, sk_...")
    stripe_return_url: str = Field(default="", description="Where Stripe sends a customer back to after 3-D Secure")
    stripe_webhook_secret: str | None = Field(
        default=None, description="Signs the webhooks that Stripe sends, whsec_..."
    )
    processor_webhook_secret: str | None = Field(
        default=None, description="Signs the webhooks of the payment sandbox, base64; unset: it sends none"
    )
    receiver_host: str = Field(default="127.0.0.1", description="Where processors' webhooks are listened for")
    receiver_port: int = Field(default=0, ge=0, le=65535, description="The same, its port; 0: any free one that lasts")
    api_host: str = Field(default="127.0.0.1", description="Where the HTTP API listens; beyond loopback only with keys")
    api_port: int = Field(default=0, ge=0, le=65535, description="The same, its port; 0: any free one that lasts")
    api_max_in_flight: int = Field(
        default=1_000, ge=1, description="Requests that one process serves at once; the next one is asked to come again"
    )
    api_rate_limit: int = Field(
        default=60_000,
        ge=0,
        description="Requests of one client of the HTTP API in a window, in all processes together; 0: any number",
    )
    api_rate_window_seconds: int = Field(default=60, ge=1, le=86_400, description="How long that window is, s")
    api_jwt_issuer: str = Field(
        default="", description="Whose tokens (JWT) the HTTP API takes, as in their iss; unset: nobody's"
    )
    api_jwt_audience: str = Field(default="", description="What their aud has to name")
    api_jwt_keys: str = Field(
        default="", description="The issuer's keys: a JWKS file or its https address; http on loopback"
    )
    api_tls_cert: AbsolutePath | None = Field(
        default=None, description="PEM file of the HTTP API's certificate with its chain; unset: plain HTTP"
    )
    api_tls_key: AbsolutePath | None = Field(
        default=None, description="PEM file of the private key of that certificate, without a passphrase"
    )
    api_proxies: str = Field(
        default="",
        description="Addresses and networks, with a space between, of proxies that speak TLS for the HTTP API and name its clients",
    )
    api_cors_origins: str = Field(
        default="",
        description="Origins, with a space between, whose pages may call the HTTP API from a browser, as in https://shop.example; unset: nobody's",
    )
    shop_host: str = Field(default="127.0.0.1", description="Where the shop's pages are served")
    shop_port: int = Field(default=0, ge=0, le=65535, description="The same, its port; 0: any free one that lasts")
    shop_currency: str = Field(
        default="GBP", description="Currency of the shop; products in another are not for sale in it"
    )
    shop_base_url: str = Field(
        default="", description="How the shop is called from outside, as in https://shop.example"
    )
    shop_secret: str | None = Field(
        default=None,
        description="Signs quotes and sessions, the same in all shop processes; unset: one that lasts here",
    )
    shop_charges: Path | None = Field(
        default=None, description="JSON file of shipping, tax and discount codes; unset: prices are all that is charged"
    )
    shop_caches: str = Field(default="", description="Addresses of HTTP caches to purge, with a space between")
    console_host: str = Field(
        default="127.0.0.1",
        description="Where the operator console is served; beyond loopback only with keys and TLS, as set for the HTTP API",
    )
    console_port: int = Field(default=0, ge=0, le=65535, description="The same, its port; 0: any free one that lasts")
    metrics_host: str = Field(
        default="127.0.0.1", description="Where each process serves its own metrics to Prometheus, without a login"
    )
    metrics_port: int = Field(default=0, ge=0, le=65535, description="The same, its port; 0: any free one")
    redis_replica_url: str | None = Field(
        default=None, description="A replica that pages are read from while Redis is away"
    )
    search_rules: Path | None = Field(
        default=None, description="JSON file of synonyms and pinned products; unset: none"
    )
    schema_registry_url: str = Field(
        default="",
        description="A registry with Confluent's API whose ids have to mean what ours mean; unset: the lock file alone",
    )
    cluster_id: str | None = Field(
        default=None, description="Kafka cluster id to insist on, so that offsets never meet another log; unset: any"
    )
    namespace: str = Field(
        default="", pattern=_NAMESPACE, description="Prefix of topics, consumer groups and Redis keys, as in 'shop2.'"
    )

    # Places.
    state_dir: AbsolutePath = Field(
        default=Path(".lastunit"), description="Where the embedded servers keep their data; one running stack for each"
    )
    cache_dir: AbsolutePath = Field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("lastunit", appauthor=False)),
        description="Where downloaded jars are kept between runs; safe to delete",
    )
    readiness_dir: AbsolutePath | None = Field(
        default=None, description="Where each process shows whether it is ready, a file each; unset: in state_dir"
    )

    # The shop.
    hold_seconds: int = Field(
        default=900,
        ge=1,
        le=MAX_HOLD_SECONDS,
        description="How long stock is held for an order that is not yet paid, s",
    )

    # Growth.
    retention_days: int = Field(
        default=WINDOW_DAYS,
        ge=WINDOW_DAYS,
        le=3650,
        description="How long what is finished is kept in the tables; never less than an order id is accepted, days",
    )
    maintenance_seconds: float = Field(
        default=3600.0, ge=1, description="How often partitions are made ahead and past ones are dropped, s"
    )

    # Throughput and ownership.
    partitions: int = Field(
        default=12,
        ge=1,
        le=1024,
        description="Partitions of each topic of a new system (`lastunit up` and `demo` with a Kafka of their own: 4, unless set)",
    )
    codec: Literal["auto", "c", "python"] = Field(
        default="auto", description="What encodes messages: C where it is built, C alone, Python alone"
    )
    batch_records: int = Field(default=2_000, ge=1, le=10_000, description="Most records decided in one transaction")
    session_timeout_ms: int = Field(
        default=6_000, ge=1_000, le=300_000, description="Kafka hands partitions on after this silence of a member, ms"
    )
    heartbeat_interval_ms: int = Field(
        default=200,
        ge=100,
        le=100_000,
        description="Heartbeats of a group's members, by which they learn of a handover; at most a third of the session timeout, ms; the only member of a group: 1 s",
    )
    rooms_apart: bool = Field(
        default=False,
        description="Whether `up` gives each room a process of its own, where several could share a reader",
    )
    watchdog_seconds: float = Field(
        default=60.0, gt=0, description="A process whose lag stands still for this long ends itself, s"
    )

    # The embedded stack.
    kafka_heap_mb: int = Field(default=768, ge=256, description="Heap of the embedded Kafka, MiB")
    start_timeout_seconds: float = Field(default=60.0, gt=0, description="Longest wait for one server to be ready, s")

    # Logs.
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged")
    log_format: Literal["console", "json"] = Field(
        default="console", description="console for people, json for collectors"
    )

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _in_lower_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("api_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for network in value.split():
            ip_network(network)
        return value

    @field_validator("api_cors_origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        for origin in value.split():
            if not _ORIGIN.fullmatch(origin):
                message = f"{origin[:100]!r} is no origin as browsers send it; name each whole, as in https://shop.example or http://localhost:3000"
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _a_certificate_has_its_key(self) -> Settings:
        if (self.api_tls_cert is None) != (self.api_tls_key is None):
            message = "set LASTUNIT_API_TLS_CERT and LASTUNIT_API_TLS_KEY together"
            raise ValueError(message)
        return self

    @field_validator("api_jwt_keys")
    @classmethod
    def _a_file_or_a_safe_address(cls, value: str) -> str:
        parts = urlsplit(value)
        on_loopback = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
        if "://" in value and not (parts.hostname and (parts.scheme == "https" or on_loopback)):
            message = "name a file, an https address, or an http address on loopback"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _tokens_are_set_up_whole(self) -> Settings:
        if len({bool(each) for each in (self.api_jwt_issuer, self.api_jwt_audience, self.api_jwt_keys)}) > 1:
            message = "set LASTUNIT_API_JWT_ISSUER, LASTUNIT_API_JWT_AUDIENCE and LASTUNIT_API_JWT_KEYS together"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _heartbeats_fit_the_session(self) -> Settings:
        if self.heartbeat_interval_ms * 3 > self.session_timeout_ms:
            message = (
                f"LASTUNIT_HEARTBEAT_INTERVAL_MS={self.heartbeat_interval_ms} must be at most a third of"
                f" LASTUNIT_SESSION_TIMEOUT_MS={self.session_timeout_ms}"
            )
            raise ValueError(message)
        return self

    def public(self) -> dict[str, Any]:
        """Return every setting by name, JSON-ready, with passwords starred out."""
        values = self.model_dump(mode="json")
        return {name: _shown(name, value) for name, value in values.items()}

    def environment(self) -> dict[str, str]:
        """Return the LASTUNIT_ variables with which a child process gets these very settings (with passwords)."""
        values = self.model_dump(mode="json", exclude_none=True)
        return {PREFIX + name.upper(): str(value) for name, value in values.items() if self._is_passed_on(name)}

    def _is_passed_on(self, name: str) -> bool:
        return name in self.model_fields_set or name in {"state_dir", "cache_dir"}

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Keep passwords out of logs and tracebacks."""
        return list(self.public().items())


def _line(place: tuple[int | str, ...], text: str) -> str:
    """Return what is wrong with one variable; what is wrong between several names them itself."""
    text = text.removeprefix("Value error, ")
    return f"  {PREFIX}{'.'.join(map(str, place)).upper()}: {text}" if place else f"  {text}"


def load_settings(**overrides: Any) -> Settings:
    """Read the environment; keyword arguments win over it.

    Raises SettingsError naming each variable with an unusable value.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        lines = [
            _line(problem["loc"], problem["msg"]) for problem in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsError("These settings cannot be used; correct or unset them:\n" + "\n".join(lines)) from None
