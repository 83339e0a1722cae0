"""`lastunit order place | show | watch`: place one order, and see what becomes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from decimal import Decimal, DecimalException
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.text import Text

from consumers.views.store import read_timeline
from consumers.views.timeline import OrderView, TimelineEvent
from infra.base.connections import kafka_publisher, redis_client
from infra.base.settings import Settings
from infra.cli.output import FAILED, MISUSED, AsJson, fail, print_json, quiet_settings, run, stderr, stdout
from infra.cli.timeline import rows, timeline
from infra.ops.view_state import redis_trouble, view_state
from producers.clients.orders import ACCEPTED_TOKEN, OrderClient, OrderLine, OrderRequest
from schemas.errors import SchemaError
from schemas.ids import is_order_id
from schemas.limits import MAX_HOLD_SECONDS
from schemas.money import format_minor, to_minor
from schemas.terms import CAPTURE_AT_SHIPPING, SHIP_AVAILABLE

DEFAULT_PRICE_MINOR: Final = 1_000
"""Until a catalogue knows better."""
POLL_SECONDS: Final = 0.1
MAX_DIGITS: Final = 18
"""Python itself refuses to read a number of more than 4,300 digits."""

app = typer.Typer(name="order", help="Place one order, and see what becomes of it.", no_args_is_help=True)

OrderId = Annotated[str, typer.Argument(metavar="ORDER_ID", help="As `order place` printed it.")]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for the order's end.")]


@app.command()
def place(
    *,
    line: Annotated[
        list[str],
        typer.Option(
            metavar="SKU=QTY[@PRICE]",
            help="One line of the order, repeatable. PRICE is that of one unit, as in 9.99; without it, 1000 minor units.",
        ),
    ],
    customer: Annotated[str, typer.Option(metavar="ID", help="Who orders.")] = "cli",
    currency: Annotated[str, typer.Option(metavar="CODE", help="ISO 4217.")] = "GBP",
    token: Annotated[
        str, typer.Option(help="What pays. The built-in processor declines tok_declined.")
    ] = ACCEPTED_TOKEN,
    hold_seconds: Annotated[
        int | None, typer.Option(min=1, max=MAX_HOLD_SECONDS, help="How long stock is held unpaid; unset: the setting.")
    ] = None,
    cart: Annotated[
        str,
        typer.Option(metavar="ID", help="What is checked out: a later order of the same customer and cart takes over."),
    ] = "",
    ship_available: Annotated[
        bool, typer.Option("--ship-available", help="Go on with the lines that are there; unset: all of them or none.")
    ] = False,
    capture_at_shipping: Annotated[
        bool, typer.Option("--capture-at-shipping", help="Take a line's money when it is shipped; unset: all at once.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the order to its end.")] = False,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Place an order and print its id. With --wait, exit status 1 means that its end did not come in time."""
    settings = quiet_settings()
    request = OrderRequest(
        lines=tuple(_line(text, currency) for text in line),
        customer_id=customer,
        currency=currency,
        payment_token=token,
        cart_id=cart,
        terms=" ".join(
            word
            for word, wanted in ((SHIP_AVAILABLE, ship_available), (CAPTURE_AT_SHIPPING, capture_at_shipping))
            if wanted
        ),
        hold_seconds=hold_seconds or settings.hold_seconds,
    )
    run(_place(request, settings))
    if as_json:
        print_json(_receipt(request), indent=False)
    else:
        print(request.order_id, flush=True)
    if wait:
        _watch(request.order_id, settings, timeout, as_json=as_json)


@app.command()
def show(order_id: OrderId, *, as_json: AsJson = False) -> None:
    """Show where an order stands, and all that happened to it."""
    settings = quiet_settings()
    view = run(_view(_checked(order_id), settings))
    if view is None:
        _fail_without_view(order_id, settings)
    if trouble := run(redis_trouble(settings)):
        stderr().print(f"The view may lack what happened of late: {trouble}.", markup=False)
    if as_json:
        print_json(view)
    else:
        stdout().print(timeline(view))


def _fail_without_view(order_id: str, settings: Settings) -> NoReturn:
    """Tell an order that nobody knows from one that the view does not have."""
    if state := run(view_state(settings)).sentence:
        fail(f"{state} So it cannot be told whether there is an order {order_id}; ask again once that is mended.")
    fail(
        f"No order {order_id} is known. Check the id; one placed a moment ago may not have been read yet "
        "(`lastunit order watch` waits for it)."
    )


@app.command()
def watch(order_id: OrderId, *, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """Print what happens to an order until its end. Exit status 1: the end did not come in time."""
    _watch(_checked(order_id), quiet_settings(), timeout, as_json=as_json)


def _watch(order_id: str, settings: Settings, timeout_seconds: float, *, as_json: bool) -> None:
    view = run(_follow(order_id, settings, timeout_seconds, as_json=as_json))
    if view is None:
        fail(
            f"Nothing was heard of order {order_id} within {timeout_seconds:g} s. "
            f"{run(view_state(settings)).sentence or 'Check the id, and that the rooms run.'}"
        )
    if as_json:
        summary = {"state": view.state, "payment": view.payment, "reason": view.reason, "is_final": view.is_final}
        print_json({"order_id": order_id, **summary}, indent=False)
    else:
        stdout().print(
            Text.assemble("Order ", order_id, " is ", (view.state.value, "bold"), f" {_because(view)}".rstrip())
        )
    if not view.is_final:
        raise typer.Exit(FAILED)


async def _follow(order_id: str, settings: Settings, timeout_seconds: float, *, as_json: bool) -> OrderView | None:
    """Print each event when it comes; return the order as it was last seen."""
    view: OrderView | None = None
    printed: set[str] = set()
    async with aclosing(_views(order_id, settings, timeout_seconds)) as views:
        async for view in views:
            fresh = [event for event in view.events if event.event_id not in printed]
            printed.update(event.event_id for event in fresh)
            _print_events(fresh, view.currency, as_json=as_json)
            if view.is_final:
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


def _print_events(events: list[TimelineEvent], currency: str, *, as_json: bool) -> None:
    if as_json:
        for event in events:
            print_json(event, indent=False)
        return
    for at, name, told, reason in rows(events, currency):
        stdout().print(
            Text.assemble((at, "dim"), "  ", (f"{name:<20}", "bold"), f" {told}", f" ({reason})" * bool(reason))
        )


async def _place(request: OrderRequest, settings: Settings) -> None:
    async with kafka_publisher(settings) as publisher:
        await OrderClient(publisher).place([request])


async def _view(order_id: str, settings: Settings) -> OrderView | None:
    async with redis_client(settings) as redis:
        return await read_timeline(redis, settings.namespace, order_id)


def _line(text: str, currency: str) -> OrderLine:
    """Return the order line that `SKU=QTY[@PRICE]` means; a SKU may hold any of these signs itself."""
    sku, _, rest = text.rpartition("=")
    quantity, _, price = rest.partition("@")
    if not sku or not (quantity.isascii() and quantity.isdigit() and len(quantity) <= MAX_DIGITS):
        fail(f"--line {text!r}: give SKU=QTY or SKU=QTY@PRICE, as in MUG=2 or MUG=2@9.99.", MISUSED)
    try:
        return OrderLine(sku, int(quantity), to_minor(Decimal(price), currency) if price else DEFAULT_PRICE_MINOR)
    except DecimalException:
        fail(f"--line {text!r}: {price!r} is no price; give one such as 9.99.", MISUSED)
    except SchemaError as error:
        fail(f"--line {text!r}: {error}", MISUSED)


def _checked(order_id: str) -> str:
    if not is_order_id(order_id):
        fail(
            f"{order_id!r} is no order id: it has 36 lower-case characters, as `lastunit order place` prints it.",
            MISUSED,
        )
    return order_id


def _receipt(request: OrderRequest) -> dict[str, Any]:
    return {
        "order_id": request.order_id,
        "lines": len(request.lines),
        "amount_minor": request.amount_minor,
        "currency": request.currency,
    }


def _because(view: OrderView) -> str:
    if view.reason:
        return f"({view.reason})"
    return f"({format_minor(view.amount_minor, view.currency)})" if view.is_final and view.currency else ""
