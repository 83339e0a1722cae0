"""What payments decides and keeps to itself."""

from __future__ import annotations

from typing import TypeAlias

from consumers.payments.processor import OperationKind
from consumers.payments.state import SUCCEEDED, ExternalMoney, QueuedOperation
from consumers.runtime.room import InternalEvent
from schemas import messages as m


class StartOperation(InternalEvent, frozen=True):
    """The processor is to be asked, once the attempt is durable; what it answers is logged."""

    order_id: str
    operation_id: str
    kind: OperationKind
    number: int
    amount_minor: int
    reference: str = ""
    authorization_id: str = ""
    is_last: bool = True


class Booked(InternalEvent, frozen=True):
    """An attempt that needs no asking: nothing has to be moved, or time or somebody else has moved it."""

    operation_id: str
    kind: OperationKind
    number: int
    amount_minor: int
    reference: str = ""
    authorization_id: str = ""
    result: str = SUCCEEDED


class AttemptResolved(InternalEvent, frozen=True):
    """What is known of an attempt now; an authorisation's id and end (ms, 0: unknown) come with it.

    `amount_minor` is what it moved where that is not what was asked; None: it is, or all that was held for a void.
    """

    operation_id: str
    result: str
    authorization_id: str = ""
    expires_at_ms: int = 0
    amount_minor: int | None = None


class OperationQueued(InternalEvent, frozen=True):
    """Something is to be done once nothing else is under way."""

    operation: QueuedOperation


class OperationDropped(InternalEvent, frozen=True):
    """An operation that waited in line is not started."""

    operation: QueuedOperation


class OrderEnded(InternalEvent, frozen=True):
    """The order is over without a sale."""


class AllShipped(InternalEvent, frozen=True):
    """No capture will follow."""


class CaptureAtShipping(InternalEvent, frozen=True):
    """The money is captured shipment by shipment."""


class ExpiryNoted(InternalEvent, frozen=True):
    """The authorisation ends, or ended while something else was under way, at `at_ms`."""

    at_ms: int


class ExternalBooked(InternalEvent, frozen=True):
    """What moved of an authorisation without us, as it is known now."""

    authorization_id: str
    money: ExternalMoney


class ResolveQueued(InternalEvent, frozen=True):
    """A person's ResolveOrder waits for the processor to be inspected; an empty note: it waits no more."""

    note: str


Outcome: TypeAlias = m.Message | InternalEvent
"""Every change of a payment is an internal event; messages report it to others."""
