"""`lastunit payments reconcile`: compare the processor's books with ours, book what differs, give back what is nobody's."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated, Final

import typer

from consumers.payments.errors import ProcessorError
from infra.base.connections import database
from infra.base.errors import InfraError
from infra.base.processor import processor_of
from infra.base.settings import Settings
from infra.cli.arguments import days as days_
from infra.cli.arguments import seconds_option
from infra.cli.commands.payments.showing import document_of, progress_of, show
from infra.cli.output import FAILED, AsJson, print_json, quiet_settings, run
from infra.local.room_process import with_servers
from infra.local.stack.progress import heartbeat, progress_for
from infra.ops.reconciliation.booking import booking
from infra.ops.reconciliation.report import Report
from infra.ops.reconciliation.run import Options
from infra.ops.reconciliation.run import reconcile as compare
from schemas.limits import ORDER_ID_WINDOW_MS

DAY_MS: Final = 24 * 60 * 60 * 1000
MOST_NAMED: Final = 100_000
"""Each takes about a kilobyte of memory."""


def reconcile(
    *,
    book: Annotated[
        bool, typer.Option("--book", help="Have payments read what differs at the processor and book it as external.")
    ] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Void or refund what no order stands for; unset: only list it.")
    ] = False,
    days: Annotated[
        float, typer.Option(metavar="DAYS", parser=days_, help="How far to look back.")
    ] = ORDER_ID_WINDOW_MS / DAY_MS,
    older_than: Annotated[
        float, seconds_option("What is younger and has no order may still be on its way to us; it is left alone.")
    ] = 3_600.0,
    limit: Annotated[
        int, typer.Option(metavar="N", min=1, max=MOST_NAMED, help="How many differences to name; all are counted.")
    ] = 1_000,
    timeout: Annotated[float, seconds_option("How long --book waits for what it has booked.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Compare the processor's books with ours: sums of each payment, totals by currency. Exit status 1: they differ."""
    settings = quiet_settings()
    now_ms = time.time_ns() // 1_000_000
    since_ms, before_ms = max(0, now_ms - round(days * DAY_MS)), now_ms - round(older_than * 1000)
    options = Options(since_ms, before_ms, fix=fix, most=limit)
    report = run(_reconcile(settings, options, timeout if book else None))
    if as_json:
        print_json(document_of(report))
    else:
        show(report, book=book, fix=fix)
    if not report.holds:
        raise typer.Exit(FAILED)


async def _reconcile(settings: Settings, options: Options, book_seconds: float | None) -> Report:
    """Compare, and have booked where there are seconds to wait for it."""
    settings = with_servers(["payments"], settings)
    processor = processor_of(settings)
    try:
        async with database(settings) as connection:
            report = Report(options.most)
            async with heartbeat(progress_for(), partial(progress_of, report, fix=options.fix)):
                if book_seconds is None:
                    return await compare(connection, processor, options, report=report)
                async with booking(settings, connection, book_seconds) as books:
                    return await compare(connection, processor, options, books, report)
    except ProcessorError as error:
        raise InfraError(f"The payment processor does not answer as it should: {error}") from error
    finally:
        await processor.close()
