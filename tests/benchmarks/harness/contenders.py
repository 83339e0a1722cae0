"""Who takes part: the product and every other design that can run here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from schemas.codec.native import IN_USE
from tests.benchmarks.harness.baseline import PostgresBaseline, RedisBaseline, RestateBaseline, restate_server
from tests.benchmarks.harness.lanes import Ours, is_installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.benchmarks.harness.lanes import Lane
    from tests.benchmarks.harness.options import Options
    from tests.benchmarks.harness.report import Report
    from tests.benchmarks.harness.servers import Servers

ROW_LOCK: Final = "row_lock_cte"
"""The strongest of the designs with a transaction an order."""
ROW_LOCK_BATCHED: Final = "row_lock_batched"
"""The strongest with row locks at all."""
_ROW_LOCKS: Final = {
    ROW_LOCK: "cte",
    "select_for_update": "select_for_update",
    "conditional_update": "conditional_update",
    "skip_locked": "skip_locked",
}


_OF_STOCK: Final = (
    "no fence (a process that was paused and replaced writes on), no replay of its decisions from the log, no expiry of holds,"
    " no purchase limits, carts or suspensions"
)
_OF_ORDERS: Final = (
    "no replay of its decisions from the log, no expiry of what is held, no cancellation while an order is worked on, no parcels,"
    " returns or refunds, no views of orders, no notifications, no part that can be stopped while the others go on"
)
DOES_NOT: Final = {
    **dict.fromkeys(
        ("row_lock_cte", "select_for_update", "conditional_update", "skip_locked", "faust_agent"), _OF_STOCK
    ),
    **dict.fromkeys(
        ("row_lock_batched", "row_lock_batched_python_codec"),
        f"{_OF_STOCK}; a refused order counts against those behind it in its batch, so that orders of several"
        " units can leave some unsold",
    ),
    "redis_lua_always": f"{_OF_STOCK}; what is held must fit into memory",
    "redis_lua_everysec": f"{_OF_STOCK}; what is held must fit into memory; a crash of Valkey loses up to a second of sales",
    "asyncpg": f"no fence, {_OF_ORDERS}",
    "asyncpg_batched": f"no fence, {_OF_ORDERS}; one slow answer of the processor keeps all orders of its batch waiting",
    "dbos": f"{_OF_ORDERS}; an executor's workflows wait until one of its name starts again",
    **dict.fromkeys(("restate", "restate_js"), _OF_ORDERS),
}
"""What the product does in the same run and a design does not."""


def batched_row_lock(servers: Servers, codec: str = "auto") -> PostgresBaseline:
    """Return the lane that judges hundreds of orders in one statement; `codec` is what LASTUNIT_CODEC may be."""
    name = ROW_LOCK_BATCHED if codec == "auto" else f"{ROW_LOCK_BATCHED}_{codec}_codec"
    lane = PostgresBaseline(name, servers, "row_lock_batched")
    lane.codec = codec
    lane.tuned = ("together", "relay_pause_ms")
    return lane


def contenders(servers: Servers, report: Report, options: Options, *, in_python_too: bool = False) -> dict[str, Lane]:
    """Return the lanes that were asked for, by name; what is not installed goes into the report's `skipped`.

    `in_python_too`: the product and the batched row lock a second time, with the codec in Python; only where it is built in C.
    """
    in_python_too = in_python_too and IN_USE == "c"
    lanes: list[Lane] = [
        Ours("ours", servers),
        *([Ours("ours_python_codec", servers, codec="python")] if in_python_too else []),
        batched_row_lock(servers),
        *([batched_row_lock(servers, "python")] if in_python_too else []),
        *(PostgresBaseline(name, servers, "row_lock", variant=variant) for name, variant in _ROW_LOCKS.items()),
        RedisBaseline("redis_lua_everysec", servers, appendfsync="everysec"),
        RedisBaseline("redis_lua_always", servers, appendfsync="always"),
        PostgresBaseline("faust_agent", servers, "faust_agent"),
    ]
    if is_installed("dbos"):
        dbos = PostgresBaseline("dbos", servers, "dbos_workflow")
        dbos.tuned = ("processes", "connections")
        lanes.append(dbos)
    elif options.wants("dbos"):
        report.skipped["dbos"] = "not installed; make installs it before a benchmark"
    if is_installed("restate", "hypercorn") and (server := restate_server()) is not None:
        lanes.append(RestateBaseline("restate", servers, server))
        lanes.append(RestateBaseline("restate_js", servers, server, in_javascript=True))
        report.setup["restate-server"] = json.loads((server.parents[1] / "package.json").read_text())["version"]
    elif options.wants("restate"):
        report.skipped["restate"] = "not installed; make installs it before a benchmark, where there is npm"
    return {lane.name: lane for lane in lanes if options.wants(lane.name)}


def figure_names(prefix: str, lanes: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each ratio's figure -> the turn that ours is compared with; `lanes` are lane -> turn."""
    return {f"{prefix}_vs_{'row_lock' if lane == ROW_LOCK else lane}": turn for lane, turn in lanes.items()}
