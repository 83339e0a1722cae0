"""How a process that runs until it is stopped ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Final

import pytest

WAITS: Final = """
import asyncio, sys
from infra.local.stack.run import run_until_interrupted
async def main():
    print("ready", flush=True)
    await asyncio.Event().wait()
sys.exit(run_until_interrupted(main()))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_on_a_signal_although_its_terminal_is_gone(number: signal.Signals) -> None:
    read_end, write_end = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=write_end)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.close(read_end)
        process.send_signal(number)
        assert process.wait(20) == 128 + number
    finally:
        process.kill()
        process.communicate()
        os.close(write_end)
