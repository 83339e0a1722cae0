"""What a request that waits is waiting for: which event answers a command. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from schemas import messages as m
from topology.answers import ANSWERS, REFERENCES, reference_of

_NAMED_BY: Final = (*REFERENCES, "reference")
"""Fields by which an event names what it is about."""


def answering(command: m.Message) -> Callable[[m.Message], bool]:
    """Return a function that knows the event which answers a command among those of its order."""
    kinds, reference, name = ANSWERS[type(command)], reference_of(command), type(command).__name__

    def answers(event: m.Message) -> bool:
        if isinstance(event, m.OrderCommandRefused):
            return event.command == name and event.reference == reference
        if isinstance(event, m.RecordDeadLettered):
            return event.message_type == name
        if not isinstance(event, kinds):
            return False
        named = next((str(getattr(event, field)) for field in _NAMED_BY if hasattr(event, field)), reference)
        return reference in {"", named}  # a command about the whole order is answered whatever the event names

    return answers
