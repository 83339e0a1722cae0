"""Runs a race on a system of its own, from empty shelves to settled books."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from infra.local.demo.books import read_books
from infra.local.demo.log import LogFigures, read_log
from infra.local.demo.place import Place, fresh_place
from infra.local.demo.result import Result, result_of
from infra.local.demo.watch import watching
from infra.local.stack.progress import heartbeat
from infra.local.supervisor import cpu_seconds_of
from infra.local.system import System, running_system
from infra.ops.audit import verify
from producers.clients.orders import OrderClient
from producers.clients.stock import StockClient, receipts_of
from producers.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.base.settings import Settings
    from infra.local.demo.inputs import Race
    from infra.local.stack import Progress

PUBLISHED_AT_ONCE: Final = 500
"""Orders in one list to the publisher; the next list is encoded while the rooms work on this one."""


class Run(NamedTuple):
    """A demo that is over: what it found out, what its log shows, and where it ran."""

    result: Result
    log: LogFigures
    place: Place


async def run_demo(race: Race, settings: Settings, progress: Progress) -> Run:
    """Run the race in a fresh place and return its figures. Raises InfraError, TopologyError, PublishError."""
    async with fresh_place(settings) as place, running_system(place.settings, progress) as system:
        result, log = await _race(race, system, progress)
        place.keep = not result.is_good
    return Run(result, log, place)


async def _race(race: Race, system: System, progress: Progress) -> tuple[Result, LogFigures]:
    settings = system.settings
    publisher = Publisher(settings.kafka_bootstrap or "", namespace=settings.namespace)
    async with watching(settings) as watch, publisher:
        await StockClient(publisher).receive(receipts_of("demo", race.stock))
        async with heartbeat(progress, lambda: "  waiting for inventory to take in the stock"):
            await watch.until_received(sum(race.stock.values()))
        progress.report(f"Received {sum(race.stock.values()):,} units of {len(race.stock):,} SKUs")
        with _cpu_meter(system) as used:
            await _place_orders(race, OrderClient(publisher), used)
            progress.report(f"Published {len(race.orders):,} orders with {race.lines:,} lines")
            position = await watch.until_over(len(race.orders), progress)
        books = await read_books(watch.connection)
    began, decided = time.monotonic(), 0

    def count(decisions: int) -> None:
        nonlocal decided
        decided += decisions

    progress.report("Checking the books: every decision is taken again")
    async with heartbeat(progress, lambda: f"  {decided:,} decisions, {time.monotonic() - began:.0f} s"):
        audit = await verify(settings, processor_url=settings.processor_url, on_progress=count)
        log = await read_log(settings, race.flash_sku)
    return result_of(race, position=position, books=books, log=log, audit=audit, cpu_seconds=used), log


async def _place_orders(race: Race, client: OrderClient, used: dict[str, float]) -> None:
    before = time.process_time()
    for first in range(0, len(race.orders), PUBLISHED_AT_ONCE):
        await client.place(race.orders[first : first + PUBLISHED_AT_ONCE])
    used["client"] = time.process_time() - before


@contextmanager
def _cpu_meter(system: System) -> Iterator[dict[str, float]]:
    """Fill the dict with the CPU seconds that each process uses within the block."""
    before = _cpu_seconds(system)
    used: dict[str, float] = {}
    yield used
    used.update({name: after - before.get(name, 0.0) for name, after in _cpu_seconds(system).items()})


def _cpu_seconds(system: System) -> dict[str, float]:
    servers = {part.name.lower(): cpu_seconds_of(part.pid) for part in system.stack.parts if part.pid is not None}
    return {**system.supervisor.cpu_seconds(), **servers}
