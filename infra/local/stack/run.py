"""Run a coroutine as the main work of a process that ends well on Ctrl-C, on SIGTERM and with its terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine

import uvloop

_BY_SIGNAL = 128  # a shell's exit code for "ended by signal n" is 128 + n


def run_until_interrupted(main: Coroutine[object, object, int | None], stopping: str = "Stopping.") -> int:
    """Run `main` on uvloop in this, the main thread; return the exit code for the process.

    SIGINT, SIGTERM and SIGHUP cancel `main`, which stops what it started; the code is then 128 + signal. A second one
    says that stopping is under way, a third ends the process at once (its children die with it, see ChildProcess).
    `stopping` is printed to standard error at the first. Exceptions of `main` are passed on.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_guarded(main, stopping))


async def _guarded(main: Coroutine[object, object, int | None], stopping: str) -> int:
    loop = asyncio.get_running_loop()
    task = loop.create_task(main)
    received: list[signal.Signals] = []

    def interrupt(number: signal.Signals) -> None:
        received.append(number)
        if len(received) == 1:
            task.cancel()
            _print_line(f"\n{stopping}")
        elif len(received) == 2:  # noqa: PLR2004  the second signal
            _print_line("Still stopping; once more to end at once.")
        else:
            os._exit(_BY_SIGNAL + received[0])

    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in handled:
        loop.add_signal_handler(number, interrupt, number)
    try:
        code = await task
    except asyncio.CancelledError:
        if not received:
            raise
        return _BY_SIGNAL + received[0]
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
    return _BY_SIGNAL + received[0] if received else code or 0


def _print_line(line: str) -> None:
    """Print it if anyone still listens: a closed terminal must not keep a process from stopping."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
