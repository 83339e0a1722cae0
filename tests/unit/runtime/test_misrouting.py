"""Who misroutes is named in a log line, a minute apart at least, with the setting to change."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from consumers.runtime import misrouting
from consumers.runtime.deciding.record import MisroutedRecord
from consumers.runtime.misrouting import MOST_KEYS, MisroutingReport
from tests.given_when_then import PlaceOrderLine
from tests.unit.runtime.records import ARecord
from topology.foreign_partitioners import crc32

PARTITIONS = 12
Found = tuple[ARecord, MisroutedRecord]


def put_by_crc32(number: int, *, is_of_earlier_number: bool = False) -> Found:
    key = f"SKU-{number}".encode()
    record = ARecord(crc32(key) % PARTITIONS, number, 0, key, b"", ())
    return record, MisroutedRecord(0, key, PlaceOrderLine(), is_of_earlier_number)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr("consumers.runtime.misrouting.time.monotonic", lambda: now[0])
    return now


def lines_of(report: MisroutingReport) -> list[Any]:
    with capture_logs() as logged:
        report.report(PARTITIONS)
    return list(logged)


def test_the_partitioner_is_named_once_a_minute_and_all_are_counted(clock: list[float]) -> None:
    report = MisroutingReport()
    assert lines_of(report) == []
    report.note("inventory.commands", map(put_by_crc32, range(200)))
    [line] = lines_of(report)
    assert (line["event"], line["topic"], line["new"]) == ("records_misrouted", "inventory.commands", 200)
    assert line["put_by"].startswith(f"CRC32, librdkafka's default ({MOST_KEYS} keys")
    assert "partitioner=murmur2_random" in line["put_by"]
    for _ in range(3):
        report.note("inventory.commands", [put_by_crc32(7)])
        assert lines_of(report) == []
    clock[0] += misrouting.REPORT_SECONDS
    [line] = lines_of(report)
    assert (line["new"], line["since_start"]) == (3, 203)
    assert report.count == {"inventory.commands": 203}


@pytest.mark.usefixtures("clock")
def test_what_an_earlier_number_of_partitions_explains_is_nobodys_error() -> None:
    report = MisroutingReport()
    report.note("inventory.commands", [put_by_crc32(1, is_of_earlier_number=True)])
    assert lines_of(report) == []
    assert report.count == {}
