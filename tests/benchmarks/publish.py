"""`make bench-publish`: producers in Python and over HTTP beside what only moves the same bytes.

Both sides of a ratio run in the same round. Rates count by the CPU time of what is compared: the producer's process, or the server's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from infra.ops.log import Log
from tests.benchmarks.harness.facts import setup_facts
from tests.benchmarks.harness.options import Options
from tests.benchmarks.harness.program import run_benchmark
from tests.benchmarks.harness.report import Report, at_least
from tests.benchmarks.harness.rounds import say
from tests.benchmarks.harness.servers import running_servers
from tests.benchmarks.harness.spread import paired, spread
from tests.benchmarks.publishing.by_client import BULK, SINGLE, Spent, orders
from tests.benchmarks.publishing.by_http import ORDERS_A_BATCH, Server, api, bare, many_orders, one_order, post
from topology.topics import INVENTORY_COMMANDS

if TYPE_CHECKING:
    from infra.base.settings import Settings
    from tests.benchmarks.harness.servers import Servers

SINGLES = 10
"""Of so many orders in bulk, one is placed alone."""
OPEN_LOOP_LOAD = 0.3
"""Of what a server answered in the closed loop, so much is offered in the open one."""
BATCHES_AT_ONCE = 4


async def by_client(options: Options, report: Report, servers: Servers) -> None:
    """Place the same orders by each client; a client that loses one is a breach."""
    settings = await servers.shop("clients")
    lanes = {**BULK, **SINGLE}
    spent_by_lane: dict[str, list[Spent]] = {name: [] for name in lanes}
    sent = await _on_the_log(settings)
    for number in range(options.rounds):
        for name in list(lanes) if number % 2 == 0 else list(lanes)[::-1]:
            wanted = orders(options.orders if name in BULK else max(100, options.orders // SINGLES))
            spent = await lanes[name](settings, wanted)
            spent_by_lane[name].append(spent)
            say(f"round {number + 1}: {name}: {spent.per_s:,.0f}/s, {spent.per_cpu_s:,.0f} a CPU second")
            sent += len(wanted)
    if (there := await _on_the_log(settings)) != sent:
        report.breaches.append(f"{there} records are on the log, {sent} were acknowledged")
    for name, of_lane in spent_by_lane.items():
        report.spreads[f"{name}, a CPU second"] = spread([each.per_cpu_s for each in of_lane])
        report.details[name] = {"per_s": [each.per_s for each in of_lane]}
        if times := [time_ms for each in of_lane for time_ms in each.taken_ms]:
            report.figure(f"{name}_p50_ms", float(np.percentile(times, 50)))
            report.figure(f"{name}_p99_ms", float(np.percentile(times, 99)))
    rates = {name: [each.per_cpu_s for each in of_lane] for name, of_lane in spent_by_lane.items()}
    report.ratio("client_bulk_vs_hand_written", paired(rates["bulk_ours"], rates["bulk_hand_written"]), 1)
    report.ratio("client_bulk_vs_bytes", paired(rates["bulk_ours"], rates["bulk_of_bytes"]), 0.4)
    report.ratio("client_single_vs_bytes", paired(rates["single_ours"], rates["single_of_bytes"]))


async def _on_the_log(settings: Settings) -> int:
    async with Log(settings.kafka_bootstrap or "", settings.namespace) as log:
        return sum(await log.ends(INVENTORY_COMMANDS))


async def by_http(options: Options, report: Report, servers: Servers) -> None:
    """Post the same orders to the API and to the bare handler."""
    settings = await servers.shop("http")
    seconds = 1.0 if options.quick else 8.0
    api_rates, bare_rates, batches = [], [], []
    async with api(settings) as of_api, bare(settings) as of_bare:
        await _warm(of_api, of_bare)
        for number in range(options.rounds):
            spent = await post(of_api, "/v1/orders", one_order(), seconds)
            other = await post(of_bare, "/v1/orders", one_order(), seconds)
            batch = await post(of_api, "/v1/orders:batch", many_orders(), seconds, connections=BATCHES_AT_ONCE)
            api_rates.append(spent.per_cpu_s)
            bare_rates.append(other.per_cpu_s)
            batches.append(batch.per_cpu_s * ORDERS_A_BATCH)
            say(f"round {number + 1}: API {spent}, bare {other}, batches of {ORDERS_A_BATCH} {batch}")
            rate = max(10.0, spent.per_s * OPEN_LOOP_LOAD)
        for name, server in (("api", of_api), ("bare", of_bare)):
            open_loop = await post(server, "/v1/orders", one_order(), seconds, rate=rate)
            report.figure(f"{name}_open_loop_p50_ms", open_loop.p50_ms)
            report.figure(f"{name}_open_loop_p99_ms", open_loop.p99_ms)
    report.figure("open_loop_requests_per_s", rate)
    report.spreads["requests, API, a CPU second"] = spread(api_rates)
    report.spreads["requests, bare handler, a CPU second"] = spread(bare_rates)
    report.spreads["orders in batches, API, a CPU second"] = spread(batches)
    report.ratio("http_vs_bare", paired(api_rates, bare_rates), 0.6)
    report.figure("batch_orders_per_cpu_s", spread(batches).median)
    report.bars["batch_orders_per_cpu_s"] = at_least(spread(batches).median, 10_000)


async def _warm(*servers: Server) -> None:
    for server in servers:
        await post(server, "/v1/orders", one_order(), 0.5, connections=4)


async def run(options: Options, report: Report) -> None:
    """Measure the clients, then HTTP."""
    async with running_servers(options) as servers:
        report.setup = await setup_facts(servers)
        if options.wants("client"):
            await by_client(options, report, servers)
        if options.wants("http"):
            await by_http(options, report, servers)


def main() -> int:
    """Be the program."""
    return run_benchmark(run, name="publish", title="Publishing orders", unit="a CPU second", orders=50_000)


if __name__ == "__main__":
    raise SystemExit(main())
