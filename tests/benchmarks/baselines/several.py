"""`python -m tests.benchmarks.baselines.several PROGRAM`: as many processes of a baseline as its task has, in one group.

They share the partitions of its topic between them. One is started when the one before it is ready, since what they
create at their start (DBOS: its tables) they do not create side by side. SIGTERM goes to all of them; the exit status
is the first that is not 0.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Final

from tests.benchmarks.baselines.task import read_task

READY: Final = b"ready"
NUMBER_VARIABLE: Final = "BENCH_NUMBER"
READY_SECONDS: Final = 60.0


def process_number() -> int:
    """Return which of the processes this one is."""
    return int(os.environ.get(NUMBER_VARIABLE, "0"))


def ready() -> None:
    """Let the next process start."""
    sys.stdout.buffer.write(READY + b"\n")
    sys.stdout.flush()


async def main(program: str) -> int:
    """Run them until they end."""
    running: list[asyncio.subprocess.Process] = []

    def stop() -> None:
        for process in running:
            if process.returncode is None:
                process.terminate()

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop)
    for each in range(read_task().processes):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"tests.benchmarks.baselines.{program}"),
            env={**os.environ, NUMBER_VARIABLE: str(each)},
            stdout=asyncio.subprocess.PIPE,
        )
        running.append(process)
        if process.stdout is not None:
            async with asyncio.timeout(READY_SECONDS):
                while (line := await process.stdout.readline()).strip() != READY and line:
                    pass
    statuses = await asyncio.gather(*(process.wait() for process in running))
    return next((status for status in statuses if status != 0), 0)


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(sys.argv[1])))
