"""`lastunit order show | watch`: where an order stands, and all that happens to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Final

import msgspec
import typer
from rich.text import Text

from consumers.views.store import read_timeline
from consumers.views.timeline import OrderView, TimelineEvent
from infra.base.connections import address_of, redis_client
from infra.base.errors import InfraError
from infra.base.settings import Settings
from infra.base.spans import moment
from infra.cli.arguments import seconds_option
from infra.cli.output import FAILED, AsJson, fail, print_json, quiet_settings, run, screen_width, stderr, stdout
from infra.cli.references import OrderName, order_id_of
from infra.cli.timeline import timeline
from infra.ops.log import Log
from infra.ops.misrouted import MisroutedCommand, causes, misrouted_commands
from infra.ops.order_words import describe
from infra.ops.view_state import redis_trouble, view_state
from schemas.money import format_minor

POLL_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 5.0
"""How long the log is looked at for commands that stood in a wrong partition."""

Timeout = Annotated[float, seconds_option("How long to wait for the order's end.")]


def show(order: OrderName, *, as_json: AsJson = False) -> None:
    """Show where an order stands, and all that happened to it."""
    settings = quiet_settings()
    order_id = order_id_of(order, settings)
    view = run(_view(order_id, settings))
    if view is None or not view.is_explained:
        _require_complete_view(order_id, settings)
        view = run(_view(order_id, settings))
    if view is None or not view.is_explained:
        fail(
            f"No order {order_id} is known. Check the id; one placed a moment ago may not have been decided yet "
            "(`lastunit order watch` waits for it)."
        )
    if trouble := run(redis_trouble(settings)):
        stderr().print(f"The view may lack what happened of late: {trouble}.", markup=False)
    misrouted = run(_misrouted(view, settings))
    if as_json:
        print_json(msgspec.to_builtins(view) | ({"misrouted": misrouted} if misrouted else {}))
        return
    for line in timeline(view, screen_width()):
        stdout().print(line)
    for command in misrouted:
        stdout().print(_words(command), markup=False)


async def _misrouted(view: OrderView, settings: Settings) -> list[MisroutedCommand]:
    """Return the order's commands that stood in a wrong partition; none, with a word about it, where Kafka does not answer."""
    if not causes(view.events):
        return []
    try:
        async with (
            asyncio.timeout(LOOK_SECONDS),
            Log(address_of("kafka_bootstrap", settings), settings.namespace) as log,
        ):
            return await misrouted_commands(log, view.events)
    except (InfraError, TimeoutError):
        stderr().print("Kafka does not answer: whether the order's commands stood in the right partition is not known.")
        return []


def _words(command: MisroutedCommand) -> str:
    place = f"{command.command} stood at {command.topic}/{command.partition}/{command.offset}, its key belongs in partition {command.home_partition}"
    return (
        f"{place}; it was forwarded. Put there by {command.put_by}."
        if command.put_by
        else f"{place}; it was forwarded."
    )


def _require_complete_view(order_id: str, settings: Settings) -> None:
    """Distinguish an order that nobody knows from one that the view does not have: end the command where it may lack some."""
    if state := run(view_state(settings)).sentence:
        fail(f"{state} So it is not known whether there is an order {order_id}; ask again once that is mended.")


def watch(order: OrderName, *, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """Print what happens to an order until it is a sale or ends. Exit status 1: neither came in time."""
    settings = quiet_settings()
    view = follow(order_id_of(order, settings), settings, timeout, as_json=as_json)
    print_end(view, as_json=as_json)
    if not view.is_decided:
        raise typer.Exit(FAILED)


def follow(order_id: str, settings: Settings, timeout_seconds: float, *, as_json: bool) -> OrderView:
    """Print each event when it comes, and return the order as it was last seen; end the command if it never was."""
    view = run(_follow(order_id, settings, timeout_seconds, as_json=as_json))
    if view is None:
        fail(
            f"No event of order {order_id} came within {timeout_seconds:g} s. "
            f"{run(view_state(settings, catch_up_seconds=0)).sentence or 'Check the id, and that the rooms run.'}"
        )
    return view


def print_end(view: OrderView, *, as_json: bool, **more: object) -> None:
    """Print where an order stands after it was followed; `more` goes into the JSON document."""
    if as_json:
        summary = {"state": view.state, "payment": view.payment, "reason": view.reason, "is_final": view.is_final}
        print_json({"order_id": view.order_id, **summary, **more}, indent=False)
    else:
        because = f" {_because(view)}".rstrip()
        stdout().print(Text.assemble("Order ", view.order_id, " is ", (view.state.value, "bold"), because))


async def _follow(order_id: str, settings: Settings, timeout_seconds: float, *, as_json: bool) -> OrderView | None:
    view: OrderView | None = None
    printed: set[str] = set()
    async with aclosing(_views(order_id, settings, timeout_seconds)) as views:
        async for view in views:
            fresh = [event for event in view.events if event.event_id not in printed]
            printed.update(event.event_id for event in fresh)
            _print_events(fresh, view.currency, as_json=as_json)
            if view.is_decided:
                break
    return view


async def _views(order_id: str, settings: Settings, timeout_seconds: float) -> AsyncGenerator[OrderView, None]:
    deadline = time.monotonic() + timeout_seconds
    async with redis_client(settings) as redis:
        while True:
            view = await read_timeline(redis, settings.namespace, order_id)
            if view is not None:
                yield view
            if time.monotonic() >= deadline:
                return
            await asyncio.sleep(POLL_SECONDS)


async def _view(order_id: str, settings: Settings) -> OrderView | None:
    async with redis_client(settings) as redis:
        return await read_timeline(redis, settings.namespace, order_id)


def _print_events(events: list[TimelineEvent], currency: str, *, as_json: bool) -> None:
    for event in events:
        if as_json:
            print_json(event, indent=False)
            continue
        reason = f" ({event.data['reason']})" if event.data.get("reason") else ""
        what = f" {describe(event, currency)}{reason}"
        stdout().print(Text.assemble((moment(event.at_ms), "dim"), "  ", (f"{event.type:<20}", "bold"), what))


def _because(view: OrderView) -> str:
    if view.reason:
        return f"({view.reason})"
    return f"({format_minor(view.amount_minor, view.currency)})" if view.is_decided and view.currency else ""
