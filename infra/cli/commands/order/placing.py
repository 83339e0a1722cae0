"""`lastunit order place`: one order, and with --wait what becomes of it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from consumers.views.timeline import OrderView
from infra.base.connections import database, kafka_publisher
from infra.base.settings import Settings
from infra.cli.arguments import name_option, seconds_option
from infra.cli.commands.order.showing import follow, print_end
from infra.cli.output import FAILED, MISUSED, AsJson, fail, print_json, print_text, quiet_settings, run
from infra.ops.skus import did_you_mean, unknown_skus
from producers.clients.orders import ACCEPTED_TOKEN, OrderClient, OrderLine, OrderRequest
from schemas.errors import SchemaError
from schemas.limits import MAX_HOLD_SECONDS
from schemas.money import to_minor
from schemas.terms import CAPTURE_AT_SHIPPING, SHIP_AVAILABLE
from topology.states import OVER_ORDER_STATES

DEFAULT_PRICE_MINOR: Final = 1_000
"""Until a catalogue knows better."""
SHOWN: Final = 60
_QUANTITY: Final = re.compile(r"\d{1,18}", re.ASCII)
_PRICE: Final = re.compile(r"\d{1,18}(\.\d{1,18})?", re.ASCII)


def place(
    *,
    line: Annotated[
        list[str],
        typer.Option(
            metavar="SKU=QTY[@PRICE]",
            help="One line of the order, repeatable. PRICE is that of one unit, as in 9.99; without it, 1000 minor units.",
        ),
    ],
    customer: Annotated[str, name_option("ID", "Who orders.")] = "cli",
    currency: Annotated[str, typer.Option(metavar="CODE", help="ISO 4217.")] = "GBP",
    token: Annotated[
        str, name_option("TOKEN", "What pays. The built-in processor declines tok_declined.")
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
    wait: Annotated[bool, typer.Option("--wait", help="Follow the order until it is a sale or ends.")] = False,
    timeout: Annotated[float, seconds_option("How long to wait for the order's end.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Place an order and print its id. With --wait, exit status 1 means that it is no sale, or was none in time."""
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
        print_json(_receipt(request), indent=not wait)
    else:
        print(request.order_id, flush=True)
    if wait:
        _wait(request.order_id, settings, timeout, as_json=as_json)


def _wait(order_id: str, settings: Settings, timeout_seconds: float, *, as_json: bool) -> None:
    view = follow(order_id, settings, timeout_seconds, as_json=as_json)
    unknown = run(_unknown(view, settings))
    print_end(view, as_json=as_json, **({"unknown_skus": unknown} if unknown else {}))
    if not as_json:
        for sku, near in unknown.items():
            print_text(did_you_mean(sku, near))
    if not view.is_decided or view.state in OVER_ORDER_STATES:
        raise typer.Exit(FAILED)


async def _place(request: OrderRequest, settings: Settings) -> None:
    async with kafka_publisher(settings) as publisher:
        await OrderClient(publisher).place([request])


async def _unknown(view: OrderView, settings: Settings) -> dict[str, list[str]]:
    """Return those of an order's refused SKUs that nobody ever received, with the known ones that may be meant."""
    refused = {
        str(event.data["sku"]) for event in view.events if event.type == "LineRejected" and not event.data["available"]
    }
    if not refused:
        return {}
    async with database(settings) as connection:
        return await unknown_skus(connection, refused)


def _line(text: str, currency: str) -> OrderLine:
    """Return the order line that `SKU=QTY[@PRICE]` means; a SKU may hold any of these signs itself."""
    sku, _, rest = text.rpartition("=")
    quantity, at, price = rest.partition("@")
    shown = repr(text[:SHOWN])
    if not sku or not _QUANTITY.fullmatch(quantity):
        fail(f"--line {shown}: give SKU=QTY or SKU=QTY@PRICE, as in MUG=2 or MUG=2@9.99.", MISUSED)
    if at and not _PRICE.fullmatch(price):
        fail(f"--line {shown}: {price[:SHOWN]!r} is no price; give one such as 9.99.", MISUSED)
    try:
        return OrderLine(sku, int(quantity), to_minor(Decimal(price), currency) if at else DEFAULT_PRICE_MINOR)
    except SchemaError as error:
        fail(f"--line {shown}: {error}", MISUSED)


def _receipt(request: OrderRequest) -> dict[str, Any]:
    return {
        "order_id": request.order_id,
        "lines": len(request.lines),
        "amount_minor": request.amount_minor,
        "currency": request.currency,
    }
