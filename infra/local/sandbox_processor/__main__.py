"""`python -m infra.local.sandbox_processor`: serve the simulated payment processor on the loopback interface until asked to stop.

When it listens it writes one JSON line, {"ready": true, "url": ..., "pid": ...}, to standard output and the same to
`address.json` in its data directory, which it removes when it ends; a file left by a killed one has a dead pid in it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from aiohttp import web

from infra.local.sandbox_processor.address import Address
from infra.local.sandbox_processor.faults import FaultPlan, FaultSettings
from infra.local.sandbox_processor.journal import Journal, JournalInUseError
from infra.local.sandbox_processor.judge import Judge, Terms
from infra.local.sandbox_processor.ledger import Ledger
from infra.local.sandbox_processor.server import Processor
from infra.local.sandbox_processor.webhooks import Webhooks

_LOOPBACK: Final = "127.0.0.1"
_SHUTDOWN_SECONDS: Final = 1.0
_BACKLOG: Final = 1024


class Receiver(msgspec.Struct, frozen=True):
    """Who receives every executed operation, and the secret that signs it."""

    url: str
    secret: str


async def serve(ledger: Ledger, plan: FaultPlan, webhooks: Webhooks | None, address_file: Path, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    processor = Processor(ledger, plan)
    runner = web.ServerRunner(web.Server(processor.handle, access_log=None), shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    due = asyncio.create_task(ledger.do_what_falls_due())
    try:
        await web.TCPSite(runner, _LOOPBACK, port, backlog=_BACKLOG).start()
        processor.base_url = f"http://{_LOOPBACK}:{runner.addresses[0][1]}"
        if webhooks is not None:
            webhooks.start(processor.base_url)
        _announce(address_file, processor.base_url)
        await stop.wait()
    finally:
        await runner.cleanup()
        due.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await due
        if webhooks is not None:
            await webhooks.close()


def run(
    data_dir: Path, port: int, settings: FaultSettings, terms: Terms, receiver: Receiver | None, *, fsync: bool
) -> None:
    """Open the books and serve. Raises JournalInUseError where another processor has them open."""
    data_dir.mkdir(parents=True, exist_ok=True)
    journal = Journal(data_dir / "journal.jsonl", fsync=fsync)
    address_file = data_dir / "address.json"
    try:
        address_file.unlink(missing_ok=True)
        plan = FaultPlan(settings)
        webhooks = None
        if receiver is not None:
            webhooks = Webhooks(receiver.url, receiver.secret, data_dir / "webhooks-taken", plan)
        ledger = Ledger(journal, Judge(plan, terms), webhooks)
        ledger.load()
        gc.freeze()
        uvloop.run(serve(ledger, plan, webhooks, address_file, port))
    finally:
        address_file.unlink(missing_ok=True)
        journal.close()


def _announce(address_file: Path, url: str) -> None:
    line = msgspec.json.encode(Address(ready=True, url=url, pid=os.getpid())) + b"\n"
    unfinished = address_file.with_suffix(".part")
    unfinished.write_bytes(line)
    unfinished.replace(address_file)
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _arguments() -> argparse.ArgumentParser:
    default, terms = FaultSettings(), Terms()
    parser = argparse.ArgumentParser(prog="python -m infra.local.sandbox_processor", description=__doc__)
    add = parser.add_argument
    add("--data-dir", type=Path, required=True, help="where the books are kept")
    add("--port", type=int, default=0, help="0 takes a free one (default)")
    add("--fsync", action="store_true", help="survive the loss of power too, at about 1 ms an operation")
    add("--seed", type=int, default=default.seed, help="the same seed and keys give the same faults")
    add("--latency-ms", type=float, default=default.latency_ms, help="time that an operation takes")
    add("--latency-distribution", choices=("fixed", "exponential"), default=default.latency_distribution)
    add("--decline-rate", type=_rate, default=default.decline_rate, help="share of authorisations declined")
    add("--capture-failure-rate", type=_rate, default=default.capture_failure_rate, help="share of captures refused")
    add(
        "--requires-action-rate",
        type=_rate,
        default=0.0,
        help="share of authorisations to be confirmed by the customer",
    )
    add("--action-decline-rate", type=_rate, default=0.0, help="share of these that --action-seconds declines")
    add("--action-seconds", type=float, default=terms.action_seconds, help="until a customer decides; 0: when asked to")
    add("--authorization-seconds", type=float, default=terms.authorization_seconds, help="until one lapses; 0: never")
    add("--error-rate", type=_rate, default=default.error_rate, help="share answered 503, nothing executed")
    add("--timeout-rate", type=_rate, default=default.timeout_rate, help="share never answered")
    add("--timeout-executes-rate", type=_rate, default=default.timeout_executes_rate, help="share of these executed")
    add("--lost-answer-rate", type=_rate, default=default.lost_answer_rate, help="share executed, then disconnected")
    add("--retry-after-seconds", type=int, default=default.retry_after_seconds, help="what a 503 asks for")
    add("--webhook-url", default="", help="where every outcome is POSTed, until it is answered 2xx")
    add("--webhook-secret", default="", help="signs them: base64, whsec_ before it or not")
    add("--duplicate-webhook-rate", type=_rate, default=0.0, help="share of events sent twice")
    add("--reordered-webhook-rate", type=_rate, default=0.0, help="share of events held back for up to 2 s")
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
    if bool(options["webhook_url"]) != bool(options["webhook_secret"]):
        parser.error("--webhook-url and --webhook-secret go together")
    terms = Terms(options["authorization_seconds"], options["action_seconds"])
    receiver = Receiver(options["webhook_url"], options["webhook_secret"]) if options["webhook_url"] else None
    try:
        run(options["data_dir"], options["port"], settings, terms, receiver, fsync=options["fsync"])
    except JournalInUseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
