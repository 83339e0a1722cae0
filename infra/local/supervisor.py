"""Runs the system's own processes: the rooms and the simulated payment processor.

A room is named by its service, `inventory`; a second instance of it is `inventory-2`. All are children of this process
and never outlive it (see ChildProcess).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import re
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

import psutil

from infra.base.errors import InfraError
from infra.base.private_files import lasting_text
from infra.base.rooms import API, CONSOLE, RECEIVER, SHOP, SYSTEM, TOGETHER, TRENDS
from infra.base.settings import Settings
from infra.local.sandbox_processor.address import address_in
from infra.local.sandbox_processor.identity import claim_database
from infra.local.stack.ports import lasting_ports
from infra.local.supervised import SupervisedProcess

PROCESSOR: Final = "processor"

_INSTANCE: Final = re.compile(r"(?P<room>[a-z]+)(-\d+)?")
_SAMPLE_SECONDS: Final = 0.5


class Supervisor:
    """The processes of one system. `settings` name its servers; children get them as LASTUNIT_ variables.

    `folder` holds logs and the simulated processor's books (default: the settings' state directory). With `webhooks` the
    payment sandbox sends its outcomes to a receiver too, as real ones do; with `shop` the shop's pages are served, with
    `api` the HTTP API and the operator console. Where rooms are `together`, those that
    follow an order's log share a process and its reader. `failed` is set when a process cannot be
    kept up; `failure` then says which and why.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        folder: Path | None = None,
        report: Callable[[str], None] = lambda _: None,
        processor_options: Sequence[str] = (),
        webhooks: bool = False,
        shop: bool = False,
        api: bool = False,
        together: bool = False,
    ) -> None:
        self.failed = asyncio.Event()
        self.failure: InfraError | None = None
        self.folder = folder or settings.state_dir
        self._report = report
        self._books = self.folder / PROCESSOR
        self._processor_options = processor_options
        is_elsewhere = settings.processor_url or settings.processor != "simulated"
        self._processor_port = 0 if is_elsewhere else _lasting_port(self._books, PROCESSOR)
        if self._processor_port:
            settings = settings.model_copy(update={"processor_url": f"http://127.0.0.1:{self._processor_port}"})
            if webhooks and not settings.processor_webhook_secret:
                settings = settings.model_copy(update={"processor_webhook_secret": _lasting_secret(self._books)})
        if not settings.receiver_port:
            receiver = _lasting_port(self.folder / RECEIVER, RECEIVER)
            settings = settings.model_copy(update={"receiver_port": receiver})
        if shop and not settings.shop_port:
            settings = settings.model_copy(update={"shop_port": _lasting_port(self.folder / SHOP, SHOP)})
        if api and not settings.api_port:
            settings = settings.model_copy(update={"api_port": _lasting_port(self.folder / API, API)})
        if api and not settings.console_port:
            settings = settings.model_copy(update={"console_port": _lasting_port(self.folder / CONSOLE, CONSOLE)})
        self._edges = (*((SHOP, TRENDS) if shop else ()), *((API, CONSOLE) if api else ()))
        self._system = TOGETHER if together else SYSTEM
        self.settings = settings
        self._processes: dict[str, SupervisedProcess] = {}
        self._sampler: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sampler = asyncio.create_task(self._sample_cpu_times(), name="sample CPU times")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop_all()
        if self._sampler is not None:
            self._sampler.cancel()
            await asyncio.wait({self._sampler})

    @property
    def processor_url(self) -> str:
        """Where the payment processor answers, simulated or not."""
        return self.settings.processor_url or ""

    @property
    def whole_system(self) -> tuple[str, ...]:
        """The processes that make up a system here.

        No simulated processor where the settings name a real one, no receiver where no processor has a secret to sign with.
        """
        has_webhooks = self.settings.processor_webhook_secret or self.settings.stripe_webhook_secret
        first = (*((RECEIVER,) if has_webhooks else ()), *((PROCESSOR,) if self._processor_port else ()))
        return (*first, *self._system, *self._edges)

    @property
    def started(self) -> tuple[str, ...]:
        """Names of all that was started, in that order."""
        return tuple(self._processes)

    async def start_all(self) -> None:
        """Start a whole system. Raises ProcessFailedError, SandboxConflictError where another sandbox serves the database."""
        if self._processor_port and self.settings.postgres_dsn:
            await claim_database(self.settings.postgres_dsn, self._books)
        for name in self.whole_system:
            await self.start(name)

    async def stop_all(self) -> None:
        """Stop everything in the reverse order of its start."""
        for process in reversed(self._processes.values()):
            await process.stop()

    async def start(self, name: str) -> None:
        """Start a process; harmless while it runs. The simulated processor listens on return, a room works soon after."""
        if name not in self._processes:
            self._processes[name] = self._new(name)
        await self._processes[name].start()
        if name == PROCESSOR:
            await self._until_processor_listens()

    async def stop(self, name: str) -> None:
        """End a process in an orderly way; harmless when it does not run."""
        await self._named(name).stop()

    async def kill(self, name: str) -> None:
        """End a process at once, as a crash would (SIGKILL); it stays down until `start`."""
        await self._named(name).kill()

    async def restart(self, name: str) -> None:
        """Stop it in an orderly way and start it again."""
        await self.stop(name)
        await self.start(name)

    def pause(self, name: str) -> None:
        """Freeze a process (SIGSTOP), as a starved host would."""
        self._named(name).pause()

    def resume(self, name: str) -> None:
        """Let it go on after `pause`."""
        self._named(name).resume()

    def pid(self, name: str) -> int | None:
        """Return the process id while it runs, else None."""
        return self._named(name).pid

    def restarts(self, name: str) -> int:
        """Return how often it was started again after it had ended by itself."""
        return self._named(name).restarts

    def cpu_seconds(self) -> dict[str, float]:
        """Return user and system time of each process so far, in CPU seconds, its earlier lives included."""
        return {name: process.cpu_seconds() for name, process in self._processes.items()}

    async def until_failure(self) -> None:
        """Wait until a process cannot be kept up, then raise its error."""
        await self.failed.wait()
        if self.failure is not None:
            raise self.failure

    def _named(self, name: str) -> SupervisedProcess:
        if name not in self._processes:
            raise InfraError(f"No process {name} was started here; started: {', '.join(self._processes) or 'none'}")
        return self._processes[name]

    def _new(self, name: str) -> SupervisedProcess:
        return SupervisedProcess(
            name,
            self._command(name),
            {**os.environ, **self.settings.environment()},
            self.folder / "logs" / f"{name}.log",
            report=self._report,
            on_failure=self._fail,
        )

    def _command(self, name: str) -> list[str | Path]:
        # -P: a folder called infra in the current directory must not stand in for ours.
        python = [sys.executable, "-P", "-m"]
        if name == PROCESSOR and self._processor_port:
            port = ["--port", str(self._processor_port)]
            return [
                *python,
                "infra.local.sandbox_processor",
                "--data-dir",
                self._books,
                *port,
                *self._webhook_options(),
                *self._processor_options,
            ]
        named = _INSTANCE.fullmatch(name)
        if named is None or named["room"] not in (*SYSTEM, *TOGETHER, RECEIVER, SHOP, TRENDS, API, CONSOLE):
            known = ", ".join(self.whole_system)
            raise InfraError(f"There is no process {name} here; there are {known}, and more of a room as in orders-2")
        return [*python, "infra.local.room_process", named["room"]]

    def _webhook_options(self) -> list[str]:
        """Return the options by which the payment sandbox sends its outcomes to the receiver."""
        if not self.settings.processor_webhook_secret:
            return []
        url = f"http://{self.settings.receiver_host}:{self.settings.receiver_port}/webhooks/payments/simulated"
        return ["--webhook-url", url, "--webhook-secret", self.settings.processor_webhook_secret]

    def _fail(self, failure: InfraError) -> None:
        self.failure = self.failure or failure
        self.failed.set()

    async def _until_processor_listens(self) -> None:
        process = self._named(PROCESSOR)
        deadline = time.monotonic() + self.settings.start_timeout_seconds
        while (address := address_in(self._books)) is None or address.pid != process.pid:
            if self.failed.is_set() or time.monotonic() > deadline:
                raise self.failure or process.failure("does not listen")
            await asyncio.sleep(0.02)

    async def _sample_cpu_times(self) -> None:
        """Read them now and then, because a process that was killed can no longer be asked."""
        while True:
            await asyncio.sleep(_SAMPLE_SECONDS)
            self.cpu_seconds()


def cpu_seconds_of(pid: int) -> float:
    """Return user and system time of a process with all its descendants, ended ones too; in CPU seconds."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


def _lasting_port(folder: Path, name: str) -> int:
    """Return one port for all lives of a process, so that its clients find it again after a crash."""
    folder.mkdir(parents=True, exist_ok=True)
    return lasting_ports(folder / "port.json", (name,))[name]


def _lasting_secret(books: Path) -> str:
    """Return one secret for all lives of the simulated processor, by which the receiver knows it."""
    return lasting_text(books / "webhook-secret", lambda: "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode())
