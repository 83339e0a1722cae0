from __future__ import annotations

import re
import subprocess
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from consumers.lag.model import Flag, GroupLag, LagReport, PartitionLag, State, Verdict
from infra.ops.business.measure import BusinessLag, PastDeadline, Unconfirmed, Waiting
from infra.ops.exposition import Observed, SystemCollector
from infra.ops.status import Process
from tests.harness.programs import find_program

ROOT = Path(__file__).parents[3]
RULES = ROOT / "infra" / "deploy" / "prometheus"
ALERTS = re.findall(r"^      - alert: (\w+)$", (RULES / "alerts.yml").read_text(), re.MULTILINE)


def part(number: int, **figures: object) -> PartitionLag:
    made = PartitionLag(
        topic="order.events",
        partition=number,
        state=State.MEASURED,
        as_of_ms=5_000,
        log_start=0,
        log_end=10,
        committed=7,
        decided=8,
        lag=2,
        time_lag_ms=1_500,
        verdict=Verdict.OK,
        owner="me at 127.0.0.1",
    )
    return msgspec.structs.replace(made, **figures)


GROUP = GroupLag(
    group="orders",
    ours=True,
    state="Stable",
    members=2,
    lag=2,
    time_lag_ms=1_500,
    verdict=Verdict.OK,
    unknown=0,
    partitions=[],
)


def scraped(observed: Observed) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(SystemCollector(lambda: observed))
    lines = generate_latest(registry).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def lag_of(*parts: PartitionLag, **figures: object) -> dict[str, float]:
    group = msgspec.structs.replace(GROUP, partitions=list(parts), **figures)
    return scraped(Observed(lag=LagReport(at_ms=6_000, up=True, groups=[group]), lag_updated_ms=6_000))


PLACE = (
    'cluster_name="lastunit",group="orders",topic="order.events",partition="0",member_host="127.0.0.1",client_id="me"'
)


def test_a_partition_has_the_names_of_both_exporters() -> None:
    series = lag_of(part(0))
    assert series[f"kafka_consumergroup_group_lag{{{_sorted(PLACE)}}}"] == 2
    assert series[f"kafka_consumergroup_group_lag_seconds{{{_sorted(PLACE)}}}"] == 1.5
    assert series[f"kafka_consumergroup_group_offset{{{_sorted(PLACE)}}}"] == 8
    assert series['kafka_consumergroup_lag{consumergroup="orders",partition="0",topic="order.events"}'] == 2
    assert series['kafka_consumergroup_current_offset{consumergroup="orders",partition="0",topic="order.events"}'] == 7
    assert series['kafka_consumergroup_group_state{cluster_name="lastunit",group="orders",state="Stable"}'] == 1
    assert series["kafka_lag_exporter_up"] == 1
    assert series["kafka_lag_exporter_last_update_timestamp_seconds"] == 6


def _sorted(labels: str) -> str:
    return ",".join(sorted(labels.split(",")))


def test_no_commit_has_no_lag_series_and_what_is_unknown_keeps_its_figures() -> None:
    nothing = part(0, state=State.NO_COMMIT, committed=None, decided=None, lag=None, time_lag_ms=None, verdict=None)
    assert not any("_lag{" in name for name in lag_of(nothing, time_lag_ms=None, lag=None))
    unknown = lag_of(part(0, state=State.UNKNOWN, verdict=None), unknown=1)
    assert unknown[f"kafka_consumergroup_group_lag{{{_sorted(PLACE)}}}"] == 2
    assert unknown['lastunit_lag_unknown_partitions{group="orders",ours="true"}'] == 1
    assert unknown['lastunit_lag_measured_timestamp_seconds{group="orders"}'] == 5
    assert not any(name.startswith("lastunit_lag_verdict") for name in unknown)


def test_what_a_group_has_abandoned_is_no_lag() -> None:
    assert not any("_lag{" in name for name in lag_of(part(0, flags=(Flag.ABANDONED,), verdict=None)))


def test_a_verdict_is_one_series() -> None:
    [series] = [name for name in lag_of(part(3, verdict=Verdict.STALL)) if name.startswith("lastunit_lag_verdict")]
    assert series == (
        'lastunit_lag_verdict{group="orders",ours="true",partition="3",topic="order.events",verdict="STALL"}'
    )


def test_before_the_first_look_the_exporter_is_down_and_shows_no_zeros() -> None:
    series = scraped(Observed())
    assert series == {"kafka_lag_exporter_up": 0, "kafka_lag_exporter_last_update_timestamp_seconds": 0}


def test_what_waits_in_the_shop_has_its_age() -> None:
    business = BusinessLag(
        at_ms=60_000,
        waiting=[Waiting("order", "pending", 3, 20_000)],
        past_deadline=[PastDeadline("orders", 2, 0)],
        holds_expiring=4,
        holds_expired=1,
        outbox={"orders": 5},
        unconfirmed=[Unconfirmed("capture", 6, 10_000)],
        parked_webhooks=7,
    )
    processes = [Process("orders", 9, ready=False, alive=True, obstacles={})]
    series = scraped(Observed(business=business, open_letters={"key_mismatch": 8}, processes=processes))
    assert series['lastunit_waiting_oldest_seconds{axis="order",state="pending"}'] == 40
    assert series['lastunit_attempts_unconfirmed_oldest_seconds{kind="capture"}'] == 50
    assert series['lastunit_deadlines_overdue{room="orders"}'] == 2
    assert series['lastunit_dead_letters_open{reason="key_mismatch"}'] == 8
    assert series['lastunit_ready{pid="9",process="orders"}'] == 0
    assert (series["lastunit_holds_expired"], series["lastunit_webhooks_parked"]) == (1, 7)


def test_every_alert_has_a_test_that_fires_one_that_does_not_and_a_page() -> None:
    tested = (RULES / "alerts_test.yml").read_text()
    pages = (ROOT / "docs" / "guides" / "alerts.md").read_text()
    for alert in ALERTS:
        assert re.search(rf"alertname: {alert}\n +exp_alerts:\n", tested), alert
        assert f"alertname: {alert}, exp_alerts: []" in tested, alert
        assert f"## {alert}\n" in pages, alert


def test_every_metric_that_an_alert_reads_is_one_that_is_served() -> None:
    source = (ROOT / "infra" / "ops" / "exposition.py").read_text()
    for name in set(re.findall(r"\b((?:kafka|lastunit)_\w+)", (RULES / "alerts.yml").read_text())):
        assert f'"{name}"' in source, name


PROMTOOL = find_program("promtool")


@pytest.mark.skipif(not PROMTOOL, reason="there is no promtool; `make tools` unpacks it")
def test_the_alerts_fire_and_keep_quiet_as_their_tests_say() -> None:
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "alerts_test.yml"], cwd=RULES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
