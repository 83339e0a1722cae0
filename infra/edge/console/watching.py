"""Looks at the system again and again, keeps the latest of each look and the last hour of its figures."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import structlog

from infra.base.connections import address_of, database
from infra.base.errors import InfraError
from infra.base.readiness import folder_of, read_readiness
from infra.edge.console.history import History
from infra.ops.business.measure import DemandWindow, business_lag
from infra.ops.exposition import Observed
from infra.ops.lag import lag_monitor
from infra.ops.letters.reading import Handling, Letter, LetterBook, LetterState
from infra.ops.log import Log
from infra.ops.status import Problem, Process, problems
from infra.ops.stock import levels_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from consumers.lag.model import LagReport
    from infra.base.settings import Settings

log = structlog.get_logger()

SHOP_SECONDS: Final = 5.0
"""How often the tables, the demand and the dead letters are looked at while nobody follows a page."""
FOLLOWED_SECONDS: Final = 1.0
"""And while somebody does."""


class Watch:
    """The latest of each look; `version` grows with every one."""

    def __init__(self, settings: Settings) -> None:
        self.observed = Observed()
        self.letters: list[Letter] = []
        self.history = History()
        self.window = DemandWindow()
        self.version = 0
        self.is_over = False
        self._settings = settings
        self._book = LetterBook()
        self._followers = 0
        self._wanted = asyncio.Event()

    @property
    def problems(self) -> list[Problem]:
        """What needs somebody, as of the latest looks."""
        observed = self.observed
        if observed.lag is None or observed.business is None:
            return []
        return problems(
            observed.lag, observed.business, observed.processes, sum((observed.open_letters or {}).values())
        )

    @property
    def own_groups(self) -> list[str]:
        """The names of our groups, as of the latest look."""
        return [group.group for group in self.observed.lag.groups if group.ours] if self.observed.lag else []

    @property
    def is_ready(self) -> bool:
        """Whether there is anything to show."""
        return self.observed.lag is not None and self.observed.business is not None

    def actions_about(self, *subjects: str) -> list[Handling]:
        """Return what operators did about these subjects, as of the latest look."""
        return self._book.actions_about(*subjects)

    @contextlib.contextmanager
    def followed(self) -> Iterator[None]:
        """Look more often as long as somebody follows a page."""
        self._followers += 1
        self._wanted.set()
        try:
            yield
        finally:
            self._followers -= 1

    def end(self) -> None:
        """Let whoever follows go: nothing is looked at any more."""
        self.is_over = True

    async def run(self) -> None:
        """Look until cancelled; what does not answer is looked at again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again(self._watch_lag))
            tasks.create_task(self._again(self._watch_shop))

    async def _again(self, watch: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await watch()
            except (InfraError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("not_observed", error=str(error))
            await asyncio.sleep(SHOP_SECONDS)

    async def _watch_lag(self) -> None:
        async with lag_monitor(self._settings) as monitor:
            queue: asyncio.Queue[LagReport] = asyncio.Queue()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(monitor.run(queue.put_nowait))
                while True:
                    self._take_lag(await queue.get())

    def _take_lag(self, report: LagReport) -> None:
        self.observed.lag = report
        if report.up:
            self.observed.lag_updated_ms = report.at_ms
            self.history.take_lag(report)
        self._read_processes()
        self.version += 1

    async def _watch_shop(self) -> None:
        settings = self._settings
        async with Log(address_of("kafka_bootstrap", settings), settings.namespace) as records:
            while True:
                demand = await self.window.refresh(records)
                async with database(settings) as connection:
                    business = await business_lag(connection)
                    levels = await levels_of([sku_demand.sku for sku_demand in demand], connection)
                self.history.take_levels(business.at_ms, levels)
                self.letters = await self._book.refresh(records)
                self.observed.demand, self.observed.business, self.observed.levels = demand, business, levels
                still_open = (letter for letter in self.letters if letter.state is LetterState.OPEN)
                self.observed.open_letters = dict(Counter(letter.source.reason for letter in still_open).most_common())
                self.version += 1
                await self._pause()

    async def _pause(self) -> None:
        """Wait until the next look is due; somebody who begins to follow a page brings it forward."""
        await asyncio.sleep(FOLLOWED_SECONDS)
        if not self._followers:
            self._wanted.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), SHOP_SECONDS - FOLLOWED_SECONDS)

    def _read_processes(self) -> None:
        self.observed.processes = [
            Process(process.process, process.pid, process.ready, process.is_alive, process.obstacles)
            for process in read_readiness(folder_of(self._settings))
        ]


def shown(watch: Watch) -> dict[str, Any]:
    """Return everything as a JSON document."""
    observed = watch.observed
    return {
        "at_ms": time.time_ns() // 1_000_000,
        "problems": watch.problems,
        "lag": observed.lag,
        "business": observed.business,
        "open_letters": observed.open_letters,
        "processes": observed.processes,
        "demand": observed.demand,
    }
