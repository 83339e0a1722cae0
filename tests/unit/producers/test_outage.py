from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from producers import outage
from producers.outage import LONGEST_PAUSE_SECONDS, MAX_REASON, Outage, Readiness, pause_seconds, reason_of


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "pause_seconds", lambda _: 0.0)


def events(logs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [log["event"] for log in logs]


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 0.1), (2, 0.2), (3, 0.4), (1_000_000, LONGEST_PAUSE_SECONDS)])
def test_pauses_grow_up_to_a_limit(attempts: int, seconds: float) -> None:
    assert pause_seconds(attempts) == pytest.approx(seconds)


async def test_an_outage_is_reported_once_and_so_is_its_end() -> None:
    server = Outage("PostgreSQL")
    with capture_logs() as logs:
        for _ in range(5):
            await server.wait(OSError("refused"))
        server.ended()
        server.ended()
    assert events(logs) == ["server_unavailable", "server_available"]


async def test_another_kind_of_trouble_in_one_outage_is_reported_too() -> None:
    server = Outage("PostgreSQL")
    with capture_logs() as logs:
        await server.wait(OSError("refused"))
        await server.wait(asyncpg.CannotConnectNowError("the database system is starting up"))
        await server.wait(OSError("refused"))
    assert [log["error"] for log in logs] == [
        "OSError: refused",
        "CannotConnectNowError: the database system is starting up",
    ]


async def test_who_stops_while_he_waits_keeps_nobody_else_from_being_ready() -> None:
    readiness = Readiness()
    server = Outage("Kafka", readiness)
    server.abandoned("connect")
    await server.wait(OSError("refused"), "connect")
    await server.wait(OSError("refused"), "publish")
    server.abandoned("connect", "claim")
    assert readiness.obstacles
    server.ended("publish")
    assert not readiness.obstacles
    await server.wait(OSError("refused"), "connect")
    server.abandoned("connect")
    assert not readiness.obstacles
    assert not server.lasts


async def test_one_purpose_that_works_does_not_end_the_outage_of_another() -> None:
    """A lock on a table stops commits, not reads."""
    readiness = Readiness()
    server = Outage("PostgreSQL", readiness)
    with capture_logs() as logs:
        await server.wait(TimeoutError("locked"), "commit")
        server.ended("load")
        assert readiness.obstacles
        await server.wait(TimeoutError("locked"), "commit")
        server.ended("commit")
    assert not readiness.obstacles
    assert events(logs) == ["server_unavailable", "server_available"]


async def test_readiness_reports_each_change_once() -> None:
    changes: list[dict[str, str]] = []
    readiness = Readiness(lambda: changes.append(dict(readiness.obstacles)))
    readiness.blocked("Kafka", "away")
    readiness.blocked("Kafka", "away")
    readiness.cleared("Kafka")
    readiness.cleared("Kafka")
    assert changes == [{"Kafka": "away"}, {}]


def test_a_reason_is_one_short_line() -> None:
    assert reason_of(TimeoutError()) == "TimeoutError"
    assert reason_of(OSError("a\n  b")) == "OSError: a b"
    assert len(reason_of(OSError("x" * 10_000))) == MAX_REASON
