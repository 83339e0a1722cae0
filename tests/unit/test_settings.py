from __future__ import annotations

from pathlib import Path

import pytest

from infra.base.errors import SettingsError
from infra.base.settings import Settings, load_settings, redacted


def test_every_setting_has_a_default_and_a_description() -> None:
    for name, field in Settings.model_fields.items():
        assert not field.is_required(), name
        assert field.description, name


def test_by_default_every_server_is_the_embedded_one() -> None:
    settings = load_settings()
    assert (settings.kafka_bootstrap, settings.postgres_dsn, settings.redis_url) == (None, None, None)


def test_the_environment_is_read_with_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTUNIT_HOLD_SECONDS", "60")
    assert load_settings().hold_seconds == 60


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTUNIT_KAFKA_BOOTSTRAP", "")
    assert load_settings().kafka_bootstrap is None


def test_arguments_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTUNIT_PARTITIONS", "3")
    assert load_settings(partitions=4).partitions == 4


def test_every_unusable_value_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTUNIT_HOLD_SECONDS", "soon")
    monkeypatch.setenv("LASTUNIT_PARTITIONS", "0")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "LASTUNIT_HOLD_SECONDS" in str(caught.value)
    assert "LASTUNIT_PARTITIONS" in str(caught.value)


def test_a_refused_value_is_not_repeated_in_the_message() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(namespace="hunter2 with spaces")
    assert "hunter2" not in str(caught.value)


def test_a_namespace_must_be_fit_for_a_topic_name() -> None:
    assert load_settings(namespace="shop2.").namespace == "shop2."
    with pytest.raises(SettingsError, match="LASTUNIT_NAMESPACE"):
        load_settings(namespace="shop 2/")


def test_relative_directories_are_made_absolute() -> None:
    assert load_settings(state_dir="here").state_dir == Path.cwd() / "here"


def test_passwords_are_never_printed() -> None:
    settings = load_settings(
        postgres_dsn="postgresql://shop:hunter2@db:5432/shop", redis_url="redis://:hunter2@cache:6379/0"
    )
    for text in (str(settings), repr(settings), str(settings.public())):
        assert "hunter2" not in text
        assert "shop:***@db:5432" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:p@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p@ss@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?user=u&password=p&sslmode=require", "postgresql://h/d?user=u&password=***&sslmode=require"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("127.0.0.1:9092", "127.0.0.1:9092"),
    ],
)
def test_redaction_leaves_the_rest_readable(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(
        postgres_dsn="postgresql://shop:hunter2@db/shop", namespace="n.", hold_seconds=5, log_format="JSON"
    )
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def test_the_shortest_session_has_room_for_the_default_heartbeats() -> None:
    assert load_settings(session_timeout_ms=1_000).heartbeat_interval_ms == load_settings().heartbeat_interval_ms


def test_heartbeats_must_fit_the_session() -> None:
    with pytest.raises(SettingsError, match="a third"):
        load_settings(session_timeout_ms=6000, heartbeat_interval_ms=3000)


@pytest.mark.parametrize(
    "values",
    [
        {"api_tls_cert": "cert.pem"},
        {"api_jwt_issuer": "https://issuer.example"},
        {"session_timeout_ms": 6000, "heartbeat_interval_ms": 3000},
    ],
    ids=str,
)
def test_settings_that_do_not_fit_each_other_are_named_as_one_sets_them(values: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(**values)
    text = str(raised.value)
    assert all(f"LASTUNIT_{name.upper()}" in text for name in values)
    assert not any(name in text for name in (*values, "LASTUNIT_SETTINGS", "Value error"))
