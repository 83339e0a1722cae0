"""Rooms as one process: `python -m infra.local.room_process NAME [NAME ...]`, the same as `lastunit room NAME [NAME ...]`.

What it runs is built by wiring.py. Exit statuses: 0 stopped as asked, START_AGAIN and NEEDS_A_PERSON as in infra/base/exits.py,
128 + n when a second signal n ended it at once.

Decision: docs/decisions, 058.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
import threading
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
import uvloop

from consumers.errors import NeedsPersonError, OwnerStoppedError
from infra.base.errors import InfraError, NotRunningError, SettingsError
from infra.base.exits import NEEDS_A_PERSON, START_AGAIN
from infra.base.logs import set_up_logging
from infra.base.prerequisites import until_possible
from infra.base.readiness import ReadinessFile
from infra.base.rooms import HOSTS
from infra.base.settings import PREFIX, Settings, load_settings
from infra.local.wiring import RUNNABLE, RoomName, Wiring, built, servers_of
from infra.ops.process_metrics import ProcessMetrics
from topology.errors import ClusterMismatchError, CoPartitioningError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from infra.local.wiring import Runnable

log = structlog.get_logger(__name__)
T = TypeVar("T")

STOP_SECONDS: Final = 20.0
"""How long the batch in hand and the payment calls in flight may take once a stop is asked for; then it ends anyway."""

START: Final = "start"
"""The obstacle of a process until its rooms run: between two prerequisites nothing else may keep it from being ready."""
_BY_SIGNAL: Final = 128


def process_name(rooms: Sequence[RoomName]) -> str:
    """Return the name of a process of these rooms: that of their host, if they are all of one."""
    hosts = [host for host, hosted in HOSTS.items() if set(hosted) == set(rooms)]
    return hosts[0] if hosts else "+".join(rooms)


async def run_room(rooms: Sequence[RoomName], settings: Settings) -> int:
    """Run rooms until SIGTERM or SIGINT; return the exit status. `settings` name all servers.

    Several rooms share one reader; a host stands for its rooms.
    """
    shown = ReadinessFile(settings, process_name(rooms))
    shown.readiness.blocked(START, "the process has not begun its work yet")
    keeping = asyncio.create_task(shown.keep(), name="readiness file")
    stopping = _Stopping()
    try:
        metrics = ProcessMetrics()
        metrics.serve(settings.metrics_host, settings.metrics_port)
        shown.serves_metrics(f"{settings.metrics_host}:{metrics.port}")
        in_use = await stopping.unless_asked(until_possible(settings, servers_of(rooms), shown.readiness))
        if in_use is None:
            return 0
        async with AsyncExitStack() as resources:
            room = await built(rooms, Wiring(settings, in_use, shown.readiness, metrics), resources)
            stopping.room = room
            shown.readiness.cleared(START)
            log.info("room_starts", pid=os.getpid())
            await room.run()
    except (NeedsPersonError, ClusterMismatchError, CoPartitioningError, SettingsError) as error:
        log.error("room_cannot_run", error=str(error))  # noqa: TRY400  the message is complete
        return NEEDS_A_PERSON
    except OwnerStoppedError as error:
        log.error("room_stopped_itself", error=str(error), cause=repr(error.__cause__))  # noqa: TRY400  same
        return START_AGAIN
    except Exception:
        log.exception("room_failed")
        return START_AGAIN
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
    log.info("room_ended")
    return 0


class _Stopping:
    """Stops the process at the first SIGTERM or SIGINT, and ends it at the second."""

    def __init__(self) -> None:
        self.room: Runnable | None = None
        self._asked = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._interrupt, number)

    async def unless_asked(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return what `work` does, or None where the process was asked to stop meanwhile."""
        task, asked = asyncio.create_task(work), asyncio.create_task(self._asked.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait({task})
        return None

    def _interrupt(self, number: int) -> None:
        if self._asked.is_set():
            os._exit(_BY_SIGNAL + number)
        self._asked.set()
        log.info("room_stops", signal=signal.Signals(number).name)
        # A thread, because what hangs may be the event loop.
        deadline = threading.Timer(STOP_SECONDS, _end_anyway)
        deadline.daemon = True
        deadline.start()
        if self.room is not None:
            self.room.stop()


def _end_anyway() -> None:
    log.error("room_did_not_stop", seconds=STOP_SECONDS)
    os._exit(START_AGAIN)


# --- the process ----------------------------------------------------------------------------------------------------------


def with_servers(rooms: Sequence[RoomName], settings: Settings) -> Settings:
    """Return settings that name the servers which these rooms need: those that were named, else those that run here.

    Raises NotRunningError when one is neither named nor here.
    """
    elsewhere = {"processor_url"} if settings.processor != "simulated" else set()
    missing = [server for server in servers_of(rooms) if not getattr(settings, server) and server not in elsewhere]
    if not missing:
        return settings
    addresses = _addresses_here(settings)
    if lacking := [PREFIX + server.upper() for server in missing if not addresses.get(server)]:
        raise NotRunningError(f"Nothing runs here. Start the system with `lastunit up`, or name {', '.join(lacking)}.")
    update: dict[str, str | None] = {server: addresses[server] for server in missing}
    if "kafka_bootstrap" in update and settings.cluster_id is None:
        update["cluster_id"] = addresses["cluster_id"]
    return settings.model_copy(update=update)


def _addresses_here(settings: Settings) -> dict[str, str | None]:
    from infra.base.endpoints import running_stack  # noqa: PLC0415
    from infra.local.sandbox_processor.address import address_in  # noqa: PLC0415

    stack = running_stack(settings)
    here = address_in(settings.state_dir / "processor")
    return {**(asdict(stack) if stack else {}), "processor_url": here.url if here else None}


def run_room_process(rooms: Sequence[RoomName]) -> int:
    """Be the process of rooms that share a reader, or of one alone, with the settings of the environment; return its exit status."""
    try:
        settings = load_settings()
        set_up_logging(settings, room=process_name(rooms))
        settings = with_servers(rooms, settings)
    except InfraError as error:
        sys.stderr.write(f"{error}\n")
        return NEEDS_A_PERSON
    _collect_garbage_rarely()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run_room(rooms, settings))


def _collect_garbage_rarely() -> None:
    """Let the collector leave alone what lives as long as the process, and look at the rest less often.

    A batch makes thousands of objects without a cycle among them, and looking for some took time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.room_process", description="Run rooms until SIGTERM")
    parser.add_argument("rooms", choices=RUNNABLE, nargs="+")
    return run_room_process(parser.parse_args().rooms)


if __name__ == "__main__":
    sys.exit(main())
