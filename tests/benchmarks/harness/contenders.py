"""Who takes part: the product and every other design that can run here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tests.benchmarks.harness.baseline import PostgresBaseline, RedisBaseline, RestateBaseline, restate_server
from tests.benchmarks.harness.lanes import Ours, is_installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.benchmarks.harness.lanes import Lane
    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report
    from tests.benchmarks.harness.servers import Servers

ROW_LOCK: Final = "row_lock_cte"
"""The strongest of the row-lock designs."""
_ROW_LOCKS: Final = {
    ROW_LOCK: "cte",
    "select_for_update": "select_for_update",
    "conditional_update": "conditional_update",
    "skip_locked": "skip_locked",
}


def contenders(servers: Servers, report: Report, options: Options) -> dict[str, Lane]:
    """Return the lanes that were asked for, by name; what is not installed goes into the report's `skipped`."""
    lanes: list[Lane] = [
        Ours("ours", servers),
        *(PostgresBaseline(name, servers, "row_lock", variant=variant) for name, variant in _ROW_LOCKS.items()),
        RedisBaseline("redis_lua_everysec", servers, appendfsync="everysec"),
        RedisBaseline("redis_lua_always", servers, appendfsync="always"),
        PostgresBaseline("faust_agent", servers, "faust_agent"),
    ]
    if is_installed("dbos"):
        lanes.append(PostgresBaseline("dbos", servers, "dbos_workflow"))
    elif options.wants("dbos"):
        report.skipped["dbos"] = "not installed; make installs it before a benchmark"
    if is_installed("restate", "hypercorn") and (server := restate_server()) is not None:
        lanes.append(RestateBaseline("restate", servers, server))
        report.setup["restate-server"] = json.loads((server.parents[1] / "package.json").read_text())["version"]
    elif options.wants("restate"):
        report.skipped["restate"] = "not installed; make installs it before a benchmark, where there is npm"
    return {lane.name: lane for lane in lanes if options.wants(lane.name)}


def figure_names(prefix: str, lanes: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each ratio's figure -> the turn that ours is compared with; `lanes` are lane -> turn."""
    return {f"{prefix}_vs_{'row_lock' if lane == ROW_LOCK else lane}": turn for lane, turn in lanes.items()}
