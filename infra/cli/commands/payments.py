"""Hold the processor's books against ours."""

from __future__ import annotations

import time
from typing import Annotated, Final

import msgspec
import typer

from consumers.payments.errors import ProcessorError
from infra.base.connections import database
from infra.base.errors import InfraError
from infra.base.processor import processor_of
from infra.base.settings import Settings
from infra.cli.arguments import days as days_
from infra.cli.arguments import seconds_option
from infra.cli.groups import new_group
from infra.cli.output import FAILED, AsJson, print_json, print_table, quiet_settings, run, stdout
from infra.local.room_process import with_servers
from infra.ops.reconciliation.run import find_orphans, give_back
from schemas.limits import ORDER_ID_WINDOW_MS
from schemas.money import format_minor

DAY_MS: Final = 24 * 60 * 60 * 1000

app = new_group("payments", "Hold the processor's books against ours.")


class Row(msgspec.Struct):
    """One orphan: what gives its money back, and what came of it (empty where that was not asked for)."""

    order_id: str
    authorization_id: str
    why: str
    operation: str
    amount_minor: int
    currency: str
    result: str


@app.command()
def reconcile(
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Void or refund what is found; unset: only list it.")] = False,
    days: Annotated[
        float, typer.Option(metavar="DAYS", parser=days_, help="How far to look back.")
    ] = ORDER_ID_WINDOW_MS / DAY_MS,
    older_than: Annotated[float, seconds_option("Leave alone what may still be on its way to us.")] = 3_600.0,
    as_json: AsJson = False,
) -> None:
    """Find money at the processor that no order stands for. Exit status 1: something was found and not given back."""
    settings = quiet_settings()
    now_ms = time.time_ns() // 1_000_000
    since_ms, before_ms = now_ms - round(days * DAY_MS), now_ms - round(older_than * 1000)
    found = run(_reconcile(settings, since_ms, before_ms, fix=fix))
    if as_json:
        print_json(found)
    else:
        _show(found)
    if any(row.result != "succeeded" for row in found):
        raise typer.Exit(FAILED)


async def _reconcile(settings: Settings, since_ms: int, before_ms: int, *, fix: bool) -> list[Row]:
    settings = with_servers(["payments"], settings)
    processor = processor_of(settings)
    try:
        async with database(settings) as connection:
            found = await find_orphans(connection, processor, since_ms=since_ms, before_ms=before_ms)
            return [
                Row(
                    order_id=orphan.payment.order_id,
                    authorization_id=orphan.payment.authorization_id,
                    why=orphan.why,
                    operation=orphan.operation.kind.value,
                    amount_minor=orphan.operation.amount_minor,
                    currency=orphan.operation.currency,
                    result=await give_back(connection, processor, orphan) if fix else "",
                )
                for orphan in found
            ]
    except ProcessorError as error:
        raise InfraError(f"The payment processor does not answer as it should: {error}") from error
    finally:
        await processor.close()


def _show(found: list[Row]) -> None:
    if not found:
        stdout().print("Every payment at the processor belongs to an order of ours.")
        return
    print_table(
        ("order", "because", "gives it back", "amount", "result", "authorisation"),
        [
            (
                row.order_id,
                row.why,
                row.operation,
                format_minor(row.amount_minor, row.currency),
                row.result or "not asked for",
                row.authorization_id,
            )
            for row in found
        ],
        right={"amount"},
    )
