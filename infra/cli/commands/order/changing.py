"""`lastunit order cancel | ship | deliver | lost | return ... | refund | retry | resolve`: commands that wait for their outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import msgspec
import typer
from rich.text import Text

from consumers.views.store import read_timeline
from consumers.views.timeline import OrderView, TimelineEvent
from infra.base.connections import kafka_publisher, redis_client
from infra.base.settings import Settings
from infra.cli.arguments import name_argument, name_option, seconds_option
from infra.cli.output import FAILED, AsJson, errors_shown, fail, print_json, quiet_settings, run, stderr, stdout
from infra.cli.references import OrderId, checked_order_id
from infra.cli.refusals import advice
from infra.cli.timeline import describe
from infra.ops.view_state import view_state
from producers.clients.order_commands import OPERATOR, OrderCommand, OrderCommandClient, check_order_command
from schemas import messages as m
from schemas.ids import new_order_id
from schemas.limits import MAX_LINES
from schemas.money import MAX_MINOR

POLL_SECONDS: Final = 0.05
REFUSED: Final = m.OrderCommandRefused.__name__
FAILURES: Final = frozenset(
    {REFUSED, *(it.__name__ for it in (m.PaymentVoidFailed, m.PaymentRefundFailed, m.PaymentLapsed))}
)

SETTLED_BY: Final[Mapping[type[m.Message], tuple[type[m.Message], ...]]] = MappingProxyType(
    {
        m.CancelOrder: (m.OrderCancelled,),
        m.ShipOrder: (m.ShipmentShipped,),
        m.ConfirmDelivery: (m.ShipmentDelivered,),
        m.ReportLostParcel: (m.ShipmentLost,),
        m.RequestReturn: (m.ReturnRequested,),
        m.ApproveReturn: (m.ReturnApproved,),
        m.RefuseReturn: (m.ReturnRefused,),
        m.ReceiveReturn: (m.ReturnReceived,),
        m.RefundOrder: (m.PaymentRefunded, m.PaymentRefundFailed, m.RefundReduced),
        m.RetryOrder: (
            m.PaymentVoided,
            m.PaymentVoidFailed,
            m.PaymentRefunded,
            m.PaymentRefundFailed,
            m.RefundReduced,
            m.PaymentAuthorized,
            m.PaymentLapsed,
        ),
        m.ResolveOrder: (m.PaymentResolved,),
    }
)
"""The events of which one says that a command has had its effect; OrderCommandRefused says that it has none."""
NAMES: Final = ("shipment_id", "return_id", "refund_id")
"""Fields by which a command names what it is about; its outcome names the same."""

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


def outcome_of(command: OrderCommand, view: OrderView, known: frozenset[str]) -> TimelineEvent | None:
    """Return the event that says what became of a command, None while there is none.

    What the order was known for before counts where it names what the command names, with the same content: a repeat has had
    its effect, and one with other content is refused.
    """
    reference = next((getattr(command, name) for name in NAMES if hasattr(command, name)), "")
    settled = {message.__name__ for message in SETTLED_BY[type(command)]}
    earlier = [event for event in view.events if event.event_id in known]
    if _stands_for_something_else(command, reference, earlier):
        settled = set()
    events = view.events
    if isinstance(command, m.ReceiveReturn) and not _is_here(command, earlier):
        events = [event for event in events if event.event_id not in known]
    for event in reversed(events):
        if event.type == REFUSED:
            about = (event.data["command"], event.data["reference"])
            if event.event_id not in known and about == (type(command).__name__, reference):
                return event
        elif event.type in settled and _is_about(event, reference, known):
            return event
    return None


def _stands_for_something_else(command: OrderCommand, reference: str, earlier: list[TimelineEvent]) -> bool:
    """Return whether the id that a command gives to something new was given before, to something with other content."""
    data: dict[str, Any] = {}
    for event in earlier:
        if event.type != REFUSED and reference in (event.data.get(name) for name in NAMES):
            if event.type == m.PaymentRefunded.__name__:  # one refund may take several operations
                data["amount_minor"] = data.get("amount_minor", 0) + event.data["amount_minor"]
            data = {**event.data, **data}
    if not data or not isinstance(command, m.ShipOrder | m.RequestReturn | m.RefundOrder):
        return False
    sent = {name: _plain(getattr(command, name)) for name in command.__struct_fields__ if name in data}
    return any(_plain(data[name]) != value for name, value in sent.items() if (name, value) != ("lines", []))


def _is_here(command: m.ReceiveReturn, earlier: list[TimelineEvent]) -> bool:
    """Return whether all lines that a command names were received before, and put where it puts them."""
    of_return = [event for event in earlier if event.data.get("return_id") == command.return_id]
    lines = [line for event in of_return if event.type == m.ReturnRequested.__name__ for line in event.data["lines"]]
    received = {
        line: event.data["disposition"]
        for event in of_return
        if event.type == m.ReturnReceived.__name__
        for line in event.data["lines"]
    }
    return all(received.get(line) == command.disposition for line in command.lines or lines)


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, list | tuple) else value


def _is_about(event: TimelineEvent, reference: str, known: frozenset[str]) -> bool:
    if reference:
        return reference in (event.data.get(name) for name in NAMES)
    return event.event_id not in known or event.type == m.OrderCancelled.__name__


def _carry_out(command: OrderCommand, timeout_seconds: float, *, as_json: bool, must_be_known: bool = False) -> None:
    """Send a command, wait for its outcome and print it; a refusal ends with exit status 1."""
    checked_order_id(command.order_id)
    with errors_shown():
        check_order_command(command)
    name = type(command).__name__
    found = run(_send(command, quiet_settings(), timeout_seconds, must_be_known=must_be_known))
    if found is None:
        fail(
            f"No outcome of {name} came within {timeout_seconds:g} s; it is in the log and will be decided. See that "
            f"the rooms run (`lastunit up`), and what came of it: `lastunit order show {command.order_id}`."
        )
    event, view = found
    accepted = event.type not in FAILURES
    if as_json:
        states: dict[str, Any] = {"state": view.state, "payment": view.payment, "fulfilment": view.fulfilment}
        print_json(Outcome(order_id=view.order_id, command=name, accepted=accepted, event=event, **states))
    else:
        words = f"{event.type}: {describe(event, view.currency)}"
        reason = event.data.get("reason", "")
        if event.type == m.OrderCancelled.__name__ and view.events == [event]:
            words = f"{event.type}: no order of this id was known; should it still come, it is cancelled"
        told_why = f"{words} ({reason})" if reason else words
        help_ = advice(reason) if event.type == REFUSED else ""
        (stdout() if accepted else stderr()).print(Text(f"{told_why}: {help_}" if help_ else told_why))
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
