"""Runs an import against the live system: stock first, then the orders, then what becomes of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from consumers.views.store import read_timelines
from infra.base.connections import database, kafka_publisher, redis_client
from producers.clients.stock import Receipt, StockClient
from producers.importing.importer import PlacingOptions, import_orders, survey
from producers.importing.report import ImportReport, Progress
from schemas.messages import OrderCommandRefused
from topology.states import OrderState

if TYPE_CHECKING:
    import asyncpg
    from redis.asyncio import Redis

    from consumers.views.timeline import OrderView
    from infra.base.settings import Settings
    from producers.clients.orders import OrderRequest
    from producers.importing.options import ReadOptions

FOLLOWED: Final = 500
"""Orders whose states are read together."""
POLL_SECONDS: Final = 0.2
MAX_LISTED: Final = 1_000
NO_SALE: Final = frozenset({OrderState.REJECTED, OrderState.CANCELLED})
UNDECIDED: Final = "undecided"
REFUSED: Final = OrderCommandRefused.__name__
NEVER_IN: Final = """
SELECT n.sku FROM unnest($1::text[]) AS n (sku) WHERE NOT EXISTS (SELECT FROM stock s WHERE s.sku = n.sku) ORDER BY 1
"""


class ImportChoices(msgspec.Struct, frozen=True, kw_only=True):
    """What else is wanted of an import. `wait_seconds` is None where nobody waits for outcomes."""

    rejects: Path | None = None
    stock: Sequence[Receipt] = ()
    again: bool = False
    wait_seconds: float | None = None
    dry_run: bool = False


class Unsold(msgspec.Struct, frozen=True):
    """An order that was placed and is no sale: rejected, cancelled, or not decided in time."""

    number: str
    order_id: str
    state: str
    reason: str


class Outcomes(msgspec.Struct):
    """What became of the orders placed: how many are in each state, and the first 1,000 that are no sale.

    `returns` has the answer to each return that was requested, by the credit note's number.
    """

    states: dict[str, int] = {}
    unsold: int = 0
    unsold_orders: list[Unsold] = []
    returns: dict[str, str] = {}


class Result(msgspec.Struct):
    """An import, and what came of it. What is None was not asked: in a dry run, or because nobody waited."""

    report: ImportReport
    skus: int = 0
    skus_without_stock: list[str] | None = None
    outcomes: Outcomes | None = None

    @property
    def is_good(self) -> bool:
        """Whether every order of the file is ours and, where that was waited for, a sale."""
        return self.report.is_whole and (self.outcomes is None or not self.outcomes.unsold)


async def run_import(
    file: Path,
    settings: Settings,
    reading: ReadOptions,
    placing: PlacingOptions,
    choices: ImportChoices,
    *,
    advance: Callable[[Progress], None],
) -> Result:
    """Import a file. Raises ProducerError and InfraError."""
    if choices.dry_run:
        return Result(survey(file, reading, placing, rejects=choices.rejects, on_progress=advance))
    placed: dict[str, str] = {}
    skus: set[str] = set()

    def note(orders: Sequence[tuple[str, OrderRequest]]) -> None:
        placed.update((order.order_id, number) for number, order in orders)
        skus.update(line.sku for _, order in orders for line in order.lines)

    async with (
        database(settings) as connection,
        kafka_publisher(settings) as publisher,
        redis_client(settings) as redis,
    ):

        async def ended(order_ids: Sequence[str]) -> frozenset[str]:
            views = await read_timelines(redis, settings.namespace, order_ids)
            return frozenset(order_id for order_id, view in views.items() if view.state in NO_SALE)

        if choices.again:
            placing = msgspec.structs.replace(placing, ended=ended)
        if choices.stock:
            await StockClient(publisher).receive(choices.stock)
        report = await import_orders(
            file, publisher, connection, reading, placing, rejects=choices.rejects, on_progress=advance, on_placed=note
        )
        result = Result(report, skus=len(skus))
        if choices.wait_seconds is not None:
            deadline = time.monotonic() + choices.wait_seconds
            result.outcomes = await _outcomes(redis, settings.namespace, placed, report, deadline)
        if not placing.receive_stock and not choices.stock:
            result.skus_without_stock = await _never_in(connection, skus)
        return result


async def _never_in(connection: asyncpg.Connection, skus: set[str]) -> list[str]:
    return [row["sku"] for row in await connection.fetch(NEVER_IN, sorted(skus))]


async def _outcomes(
    redis: Redis, namespace: str, placed: dict[str, str], report: ImportReport, deadline: float
) -> Outcomes:
    """Follow the orders to their ends, or until the deadline (of the monotonic clock, in s)."""
    outcomes = Outcomes()
    async for order_id, view in _followed(redis, namespace, list(placed), deadline):
        state = UNDECIDED if view is None else view.state.value
        outcomes.states[state] = outcomes.states.get(state, 0) + 1
        if view is None or view.state in NO_SALE:
            outcomes.unsold += 1
            if len(outcomes.unsold_orders) < MAX_LISTED:
                reason = "" if view is None else view.reason
                outcomes.unsold_orders.append(Unsold(placed[order_id], order_id, state, reason))
    outcomes.returns = await _answers(redis, namespace, report, deadline)
    return outcomes


async def _followed(
    redis: Redis, namespace: str, order_ids: list[str], deadline: float
) -> AsyncIterator[tuple[str, OrderView | None]]:
    """Yield each order once it is decided; at the deadline the others, with None."""
    waiting = order_ids
    while waiting:
        still = []
        for start in range(0, len(waiting), FOLLOWED):
            some = waiting[start : start + FOLLOWED]
            views = await read_timelines(redis, namespace, some)
            for order_id in some:
                view = views.get(order_id)
                if view is not None and view.is_decided:
                    yield order_id, view
                else:
                    still.append(order_id)
        waiting = still
        if time.monotonic() >= deadline:
            break
        await asyncio.sleep(POLL_SECONDS if waiting else 0)
    for order_id in waiting:
        yield order_id, None


async def _answers(redis: Redis, namespace: str, report: ImportReport, deadline: float) -> dict[str, str]:
    """Return the answer to each requested return, by the credit note's number."""
    answers: dict[str, str] = {}
    requested = {credit.number: credit for credit in report.credits if credit.return_id}
    while requested:
        views = await read_timelines(redis, namespace, [credit.order_id for credit in requested.values()])
        for number, credited in list(requested.items()):
            view = views.get(credited.order_id)
            if view is not None and (answer := _answer(view, credited.return_id)):
                answers[number] = answer
                del requested[number]
        if time.monotonic() >= deadline:
            break
        await asyncio.sleep(POLL_SECONDS if requested else 0)
    return answers | dict.fromkeys(requested, UNDECIDED)


def _answer(view: OrderView, return_id: str) -> str:
    """Return what became of a return: its state, or why the last request for it was refused."""
    if return_id in view.returns:
        return view.returns[return_id].value
    refused = [event for event in view.events if event.type == REFUSED and event.data.get("reference") == return_id]
    return f"refused: {refused[-1].data.get('reason', '')}" if refused else ""
