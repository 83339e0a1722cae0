"""`python -m infra.processor`: serve the simulated payment processor on the loopback interface until told to stop.

When it listens it writes one JSON line, {"ready": true, "url": ..., "pid": ...}, to standard output and the same to
`address.json` in its data directory, which it removes when it ends; a file left by a killed one has a dead pid in it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from aiohttp import web

from infra.processor.address import Address
from infra.processor.books import Books
from infra.processor.faults import FaultPlan, FaultSettings
from infra.processor.journal import Journal, JournalInUseError
from infra.processor.server import Processor

_LOOPBACK: Final = "127.0.0.1"
_SHUTDOWN_SECONDS: Final = 1.0
_BACKLOG: Final = 1024


async def serve(processor: Processor, address_file: Path, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.ServerRunner(web.Server(processor.handle, access_log=None), shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, _LOOPBACK, port, backlog=_BACKLOG).start()
        _announce(address_file, runner.addresses[0][1])
        await stop.wait()
    finally:
        await runner.cleanup()


def run(data_dir: Path, port: int, settings: FaultSettings, *, fsync: bool) -> None:
    """Open the books and serve. Raises JournalInUseError where another processor has them open."""
    data_dir.mkdir(parents=True, exist_ok=True)
    journal = Journal(data_dir / "journal.jsonl", fsync=fsync)
    address_file = data_dir / "address.json"
    try:
        address_file.unlink(missing_ok=True)
        books = Books()
        for entry in journal.load():
            books.apply(entry)
        gc.freeze()
        uvloop.run(serve(Processor(books, journal, FaultPlan(settings)), address_file, port))
    finally:
        address_file.unlink(missing_ok=True)
        journal.close()


def _announce(address_file: Path, port: int) -> None:
    line = msgspec.json.encode(Address(ready=True, url=f"http://{_LOOPBACK}:{port}", pid=os.getpid())) + b"\n"
    unfinished = address_file.with_suffix(".part")
    unfinished.write_bytes(line)
    unfinished.replace(address_file)
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _arguments() -> argparse.ArgumentParser:
    default = FaultSettings()
    parser = argparse.ArgumentParser(prog="python -m infra.processor", description=__doc__)
    add = parser.add_argument
    add("--data-dir", type=Path, required=True, help="where the books are kept")
    add("--port", type=int, default=0, help="0 takes a free one (default)")
    add("--fsync", action="store_true", help="survive the loss of power too, at about 1 ms an operation")
    add("--seed", type=int, default=default.seed, help="the same seed and keys give the same faults")
    add("--latency-ms", type=float, default=default.latency_ms, help="time that an operation takes")
    add("--latency-distribution", choices=("fixed", "exponential"), default=default.latency_distribution)
    add("--decline-rate", type=_rate, default=default.decline_rate, help="share of authorisations declined")
    add("--capture-failure-rate", type=_rate, default=default.capture_failure_rate, help="share of captures refused")
    add("--error-rate", type=_rate, default=default.error_rate, help="share answered 503, nothing executed")
    add("--timeout-rate", type=_rate, default=default.timeout_rate, help="share never answered")
    add("--timeout-executes-rate", type=_rate, default=default.timeout_executes_rate, help="share of these executed")
    add("--lost-answer-rate", type=_rate, default=default.lost_answer_rate, help="share executed, then disconnected")
    add("--retry-after-seconds", type=int, default=default.retry_after_seconds, help="what a 503 asks for")
    add("--hang-seconds", type=float, default=default.hang_seconds, help="when to hang up on a patient client")
    return parser


def _rate(text: str) -> float:
    if not 0.0 <= (rate := float(text)) <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to 1")
    return rate


def main() -> None:
    """Read the command line and serve."""
    parser = _arguments()
    options = vars(parser.parse_args())
    settings = msgspec.convert({name: options[name] for name in FaultSettings.__struct_fields__}, FaultSettings)
    if settings.error_rate + settings.timeout_rate + settings.lost_answer_rate > 1.0:
        parser.error("--error-rate, --timeout-rate and --lost-answer-rate add up to more than 1")
    try:
        run(options["data_dir"], options["port"], settings, fsync=options["fsync"])
    except JournalInUseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
