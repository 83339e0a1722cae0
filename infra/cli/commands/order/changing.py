"""`lastunit order cancel | ship | deliver | lost | return ... | refund | retry | resolve`: commands that wait for their outcome."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Final, Literal

import msgspec
import typer
from rich.text import Text

from consumers.views.store import read_timeline
from consumers.views.timeline import DEAD_LETTERED, OrderView, TimelineEvent
from infra.base.connections import kafka_publisher, redis_client
from infra.base.settings import Settings
from infra.cli.arguments import name_argument, name_option, seconds_option
from infra.cli.order_outcomes import REFUSED, outcome_of
from infra.cli.output import FAILED, AsJson, errors_shown, fail, print_json, quiet_settings, run, stderr, stdout
from infra.cli.references import OrderId, checked_order_id
from infra.cli.refusals import advice
from infra.ops.order_words import describe
from infra.ops.view_state import view_state
from producers.clients.order_commands import OPERATOR, OrderCommand, OrderCommandClient, check_order_command
from schemas import messages as m
from schemas.ids import new_order_id
from schemas.limits import MAX_LINES
from schemas.money import MAX_MINOR

POLL_SECONDS: Final = 0.05
FAILURES: Final = frozenset(
    {
        REFUSED,
        DEAD_LETTERED,
        *(event.__name__ for event in (m.PaymentVoidFailed, m.PaymentRefundFailed, m.PaymentLapsed)),
    }
)


ShipmentId = Annotated[str, name_argument("SHIPMENT", "As `order ship` printed it.")]
ReturnId = Annotated[str, name_argument("RETURN", "As `order return request` printed it.")]
Lines = Annotated[
    list[int] | None,
    typer.Option("--line", metavar="N", min=1, max=MAX_LINES, help="One line's number, repeatable; unset: all."),
]
Reason = Annotated[str, name_option("TEXT", "Why; it stays on the order's timeline.")]
Timeout = Annotated[float, seconds_option("How long to wait for the outcome.")]
Id = Annotated[str | None, name_option("ID", "Makes sending again harmless.")]


class Outcome(msgspec.Struct):
    """What became of a command: the event that says so, and where the order stands with it."""

    order_id: str
    command: str
    accepted: bool
    event: TimelineEvent
    state: str
    payment: str
    fulfilment: str


def cancel(
    order_id: OrderId,
    *,
    reason: Reason = "changed_mind",
    by: Annotated[Literal["customer", "merchant"], typer.Option(help="Who cancels.")] = "customer",
    even_if_unknown: Annotated[
        bool,
        typer.Option("--even-if-unknown", help="Also an order of which nothing was read yet; it ends once it comes."),
    ] = False,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Cancel an order of which nothing was shipped; its goods and its money go back. Exit status 1: refused."""
    command = m.CancelOrder(order_id, by, reason)
    _carry_out(command, timeout, as_json=as_json, must_be_known=not even_if_unknown)


def ship(
    order_id: OrderId,
    *,
    carrier: Annotated[str, name_option("NAME", "Who carries the parcel.")],
    tracking: Annotated[str, name_option("NUMBER", "The carrier's number for it.")],
    line: Lines = None,
    shipment: Id = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Send lines out in one parcel; without --line, all that are left. Exit status 1: refused."""
    command = m.ShipOrder(order_id, shipment or f"shipment-{new_order_id()}", tuple(line or ()), carrier, tracking)
    _carry_out(command, timeout, as_json=as_json)


def deliver(order_id: OrderId, shipment: ShipmentId, *, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """Say that a parcel has arrived. Exit status 1: refused."""
    _carry_out(m.ConfirmDelivery(order_id, shipment), timeout, as_json=as_json)


def lost(
    order_id: OrderId,
    shipment: ShipmentId,
    *,
    reason: Reason = "lost",
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Say that a parcel will not arrive; what was paid for it goes back. Exit status 1: refused."""
    _carry_out(m.ReportLostParcel(order_id, shipment, reason), timeout, as_json=as_json)


def request(
    order_id: OrderId,
    *,
    reason: Reason = "not_wanted",
    line: Lines = None,
    return_id: Id = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Ask to send delivered lines back; without --line, all of them. Exit status 1: refused."""
    command = m.RequestReturn(order_id, return_id or f"return-{new_order_id()}", tuple(line or ()), reason)
    _carry_out(command, timeout, as_json=as_json)


def approve(order_id: OrderId, return_id: ReturnId, *, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """Allow a return. Exit status 1: refused."""
    _carry_out(m.ApproveReturn(order_id, return_id), timeout, as_json=as_json)


def refuse(
    order_id: OrderId,
    return_id: ReturnId,
    *,
    reason: Reason = "not_allowed",
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Do not allow a return. Exit status 1: refused itself."""
    _carry_out(m.RefuseReturn(order_id, return_id, reason), timeout, as_json=as_json)


def receive(
    order_id: OrderId,
    return_id: ReturnId,
    *,
    line: Lines = None,
    to: Annotated[
        Literal["available", "quarantine"], typer.Option(help="Sell the units again, or put them where nobody may.")
    ] = "available",
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Say that lines of an approved return are here; their money goes back. Exit status 1: refused."""
    _carry_out(m.ReceiveReturn(order_id, return_id, tuple(line or ()), to), timeout, as_json=as_json)


def refund(
    order_id: OrderId,
    amount_minor: Annotated[
        int, typer.Argument(metavar="MINOR", min=1, max=MAX_MINOR, help="How much, in minor units.")
    ],
    *,
    reason: Reason = "goodwill",
    refund_id: Id = None,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Give captured money back without goods, never more than there is. Exit status 1: refused."""
    command = m.RefundOrder(order_id, refund_id or f"refund-{new_order_id()}", amount_minor, reason)
    _carry_out(command, timeout, as_json=as_json)


def retry(order_id: OrderId, *, timeout: Timeout = 30.0, as_json: AsJson = False) -> None:
    """Ask the processor again for a void or refund that failed, or a lapsed authorisation. Exit status 1: refused."""
    _carry_out(m.RetryOrder(order_id, OPERATOR), timeout, as_json=as_json)


def resolve(
    order_id: OrderId,
    *,
    note: Annotated[str, name_option("TEXT", "How it was done, for those who read the books.")],
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Say that a failed void or refund was done by hand. Exit status 1: refused."""
    _carry_out(m.ResolveOrder(order_id, OPERATOR, note), timeout, as_json=as_json)


def _carry_out(command: OrderCommand, timeout_seconds: float, *, as_json: bool, must_be_known: bool = False) -> None:
    """Send a command, wait for its outcome and print it; a refusal ends with exit status 1."""
    checked_order_id(command.order_id)
    with errors_shown():
        check_order_command(command)
    name = type(command).__name__
    outcome = run(_send(command, quiet_settings(), timeout_seconds, must_be_known=must_be_known))
    if outcome is None:
        fail(
            f"No outcome of {name} came within {timeout_seconds:g} s; it is in the log and will be decided. See that "
            f"the rooms run (`lastunit up`), and what came of it: `lastunit order show {command.order_id}`."
        )
    event, view = outcome
    accepted = event.type not in FAILURES
    if as_json:
        states: dict[str, Any] = {"state": view.state, "payment": view.payment, "fulfilment": view.fulfilment}
        print_json(Outcome(order_id=view.order_id, command=name, accepted=accepted, event=event, **states))
    else:
        words = f"{event.type}: {describe(event, view.currency)}"
        reason = event.data.get("reason", "")
        if event.type == m.OrderCancelled.__name__ and view.events == [event]:
            words = f"{event.type}: no order of this id was known; should it still come, it is cancelled"
        sentence = f"{words} ({reason})" if reason else words
        help_ = advice(reason) if event.type == REFUSED else ""
        (stdout() if accepted else stderr()).print(Text(f"{sentence}: {help_}" if help_ else sentence))
    if not accepted:
        raise typer.Exit(FAILED)


async def _send(
    command: OrderCommand, settings: Settings, timeout_seconds: float, *, must_be_known: bool
) -> tuple[TimelineEvent, OrderView] | None:
    deadline = time.monotonic() + timeout_seconds
    async with redis_client(settings) as redis:
        before = await read_timeline(redis, settings.namespace, command.order_id)
        if must_be_known and (before is None or not before.is_known):
            if trouble := (await view_state(settings)).sentence:
                fail(f"{trouble} So nothing was cancelled: mend that, or cancel without looking by --even-if-unknown.")
            before = await read_timeline(redis, settings.namespace, command.order_id)
        if must_be_known and (before is None or not before.is_known):
            fail(
                f"No order {command.order_id} is known, so nothing was cancelled. Check the id; one placed a moment ago may not "
                "have been decided yet. --even-if-unknown cancels it whenever it comes."
            )
        known = frozenset(event.event_id for event in before.events) if before else frozenset()
        async with kafka_publisher(settings) as publisher:
            await OrderCommandClient(publisher).send([command])
        while True:
            view = await read_timeline(redis, settings.namespace, command.order_id)
            if view is not None and (event := outcome_of(command, view, known)) is not None:
                return event, view
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(POLL_SECONDS)
