"""Which event of an order's timeline answers a command that was sent."""

from __future__ import annotations

from typing import Any, Final

from consumers.views.timeline import DEAD_LETTERED, OrderView, TimelineEvent
from producers.clients.order_commands import OrderCommand
from schemas import messages as m
from topology.answers import ANSWERS, REFERENCES, reference_of

REFUSED: Final = m.OrderCommandRefused.__name__


def outcome_of(command: OrderCommand, view: OrderView, known: frozenset[str]) -> TimelineEvent | None:
    """Return the event that says what became of a command, None while there is none.

    What the order was known for before counts where it names what the command names, with the same content: a repeat has had
    its effect, and one with other content is refused.
    """
    reference = reference_of(command)
    settled = {message.__name__ for message in ANSWERS[type(command)]}
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
        elif event.type == DEAD_LETTERED:
            if event.event_id not in known and event.data["message_type"] == type(command).__name__:
                return event
        elif event.type in settled and _is_about(event, reference, known):
            return event
    return None


def _stands_for_something_else(command: OrderCommand, reference: str, earlier: list[TimelineEvent]) -> bool:
    """Return whether the id that a command gives to something new was given before, to something with other content."""
    data: dict[str, Any] = {}
    for event in earlier:
        if event.type != REFUSED and reference in (event.data.get(name) for name in REFERENCES):
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
        return reference in (event.data.get(name) for name in REFERENCES)
    return event.event_id not in known or event.type == m.OrderCancelled.__name__
