"""The state that payments decides on: one order's money, what was asked of the processor for it, and what is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from typing_extensions import override

from consumers.payments.processor import OperationKind
from consumers.runtime.order_keyed import OrderRecord
from schemas.ids import UNCOVERED
from topology.states import SETTLED_PAYMENT_STATES, PaymentState

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is known of an attempt. The first six are what RecordPaymentResult may hold, or that there is none yet.
PENDING: Final = "pending"
SUCCEEDED: Final = "succeeded"
DECLINED: Final = "declined"
FAILED: Final = "failed"
REQUIRES_ACTION: Final = "requires_action"
LAPSED: Final = "lapsed"
SUPERSEDED: Final = "superseded"
"""It failed, and another attempt or a later answer has taken its place: nobody has to see to it any more."""
RESOLVED: Final = "resolved"
"""It failed, and a person confirmed that it was done by hand."""
COVERED: Final = "covered"
"""A capture that needs none: somebody captured the money at the processor without us."""
ABANDONED: Final = "abandoned"
"""An authorisation that its customer did not confirm in time; it was cancelled at the processor."""

DONE: Final = frozenset({SUCCEEDED, RESOLVED})
"""Results whose amounts add up to the figures of the payment."""

UNCONFIRMED: Final = "unconfirmed"
"""The reference of a void that cancels an authorisation which nobody has confirmed."""
LAPSE: Final = "lapsed"
"""The reference of a void that nobody asked for: the authorisation's time was over."""


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One operation for an order, `number` of its kind; `reference` is the shipment or refund that it is for."""

    operation_id: str
    kind: OperationKind
    number: int
    amount_minor: int
    reference: str
    authorization_id: str
    result: str
    started_at_ms: int


class ExternalMoney(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What moved of one authorisation without us, in minor units: the processor's figures without those of our attempts.

    Money that customers' banks withdrew is disputed while disputes are open, and lost for good once they are lost.
    """

    captured_minor: int = 0
    voided_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0
    lost_minor: int = 0


NOTHING_EXTERNAL: Final = ExternalMoney()


class QueuedOperation(msgspec.Struct, frozen=True, gc=False):
    """What is to be asked of the processor once nothing else is under way; an inspection's reference is an authorisation."""

    kind: OperationKind
    reference: str
    amount_minor: int


class Payment(OrderRecord):
    """One order's money, in minor units of `currency`.

    Always captured + voided <= authorized and refunded <= captured; they are the sums of the attempts that are done and of
    what is `external` (by authorisation). `queue` waits in line behind the one operation that is `under_way` (its id, or
    empty). `order_over`: the order ended without a sale; `all_shipped`: no capture will follow. `deadline_ms` is when the
    present state ends by itself. `resolving` is the note of a ResolveOrder that waits for the processor to be inspected.
    """

    state: PaymentState = PaymentState.NONE
    amount_minor: int = 0
    currency: str = ""
    customer_id: str = ""
    payment_token: str = ""
    authorization_id: str = ""
    order_over: bool = False
    all_shipped: bool = False
    at_shipping: bool = False
    authorized_minor: int = 0
    captured_minor: int = 0
    voided_minor: int = 0
    refunded_minor: int = 0
    expires_at_ms: int = 0
    queue: tuple[QueuedOperation, ...] = ()
    external: dict[str, ExternalMoney] = msgspec.field(default_factory=dict)
    resolving: str = ""
    attempts: dict[str, Attempt] = msgspec.field(default_factory=dict)
    under_way: str = ""

    @property
    @override
    def is_settled(self) -> bool:
        return self.state is PaymentState.NONE or self.state in SETTLED_PAYMENT_STATES

    @property
    @override
    def parts(self) -> int:
        return len(self.attempts)

    def copy(self) -> Payment:
        """Return a payment that can evolve while this one stays as it is."""
        return msgspec.structs.replace(self, attempts=dict(self.attempts))

    @property
    def held_minor(self) -> int:
        """What the processor holds for us: authorised, and neither captured nor given back."""
        return self.authorized_minor - self.captured_minor - self.voided_minor

    @property
    def missing_minor(self) -> int:
        """What the order costs and no authorisation covers."""
        return self.amount_minor - self.authorized_minor + self.voided_minor

    @property
    def disputed_minor(self) -> int:
        """What customers' banks withdrew until disputes end."""
        return sum(money.disputed_minor for money in self.external.values())

    @property
    def lost_minor(self) -> int:
        """What customers' banks withdrew for good."""
        return sum(money.lost_minor for money in self.external.values())

    @property
    def left_minor(self) -> int:
        """What is left of the captured money; below 0 where what was refunded is disputed too."""
        return self.captured_minor - self.refunded_minor - self.disputed_minor - self.lost_minor

    @property
    def gone_minor(self) -> int:
        """What of the money that pays for goods was refunded at the processor without us, or is lost."""
        covered = sum(attempt.amount_minor for attempt in self.attempts.values() if attempt.result == COVERED)
        captured = sum(money.captured_minor for money in self.external.values())
        gone = sum(money.refunded_minor + money.lost_minor for money in self.external.values())
        return max(0, gone - (captured - covered))

    @property
    def uncovered_minor(self) -> int:
        """What somebody captured at the processor, and that neither pays for anything nor went back."""
        if not self.external:
            return 0
        used = sum(queued.amount_minor for queued in self.queue if queued.reference == UNCOVERED)
        for attempt in self.attempts.values():
            if attempt.result == COVERED or (attempt.reference == UNCOVERED and attempt.result != SUPERSEDED):
                used += attempt.amount_minor
        captured = sum(money.captured_minor - money.refunded_minor for money in self.external.values())
        return max(0, min(captured - used, self.left_minor))

    @property
    def excess_minor(self) -> int:
        """What is to go back because it pays for nothing, although the order goes on."""
        if not self.external or self.order_over:
            return 0
        if self.at_shipping:
            return self.uncovered_minor if self.all_shipped else 0
        is_paid = any(
            capture.result in (SUCCEEDED, COVERED) for capture in self.of_reference(OperationKind.CAPTURE, "")
        )
        return self.uncovered_minor if is_paid else 0

    @property
    def refundable_minor(self) -> int:
        """What may still be promised back: left of the captured money, and not promised already."""
        promised = sum(queued.amount_minor for queued in self.queue if queued.kind is OperationKind.REFUND)
        for attempt in self.attempts.values():
            if attempt.kind is OperationKind.REFUND and attempt.result in (PENDING, FAILED):
                promised += attempt.amount_minor
        return self.left_minor - promised

    @property
    def is_closed(self) -> bool:
        """Tell whether no capture will follow, so that what is held goes back."""
        return self.order_over or self.all_shipped

    @property
    def is_unconfirmed(self) -> bool:
        """Tell whether the customer still has to confirm the authorisation."""
        latest = self.latest(OperationKind.AUTHORIZE)
        return latest is not None and latest.result == REQUIRES_ACTION

    def latest(self, kind: OperationKind) -> Attempt | None:
        """Return the last attempt of a kind."""
        latest = None
        for attempt in self.attempts.values():
            if attempt.kind is kind and (latest is None or attempt.number > latest.number):
                latest = attempt
        return latest

    def next_number(self, kind: OperationKind) -> int:
        """Return the number that the next attempt of a kind gets, from 1."""
        latest = self.latest(kind)
        return 1 if latest is None else latest.number + 1

    def knows(self, authorization_id: str) -> bool:
        """Tell whether an authorisation of this order has this name."""
        of_order = (
            attempt.authorization_id for attempt in self.attempts.values() if attempt.kind is OperationKind.AUTHORIZE
        )
        return authorization_id != "" and authorization_id in of_order

    def failed(self) -> list[Attempt]:
        """Return the voids and refunds that the processor refused and nobody has seen to."""
        return [attempt for attempt in self.attempts.values() if attempt.result == FAILED and attempt.kind in _OWED]

    def was_asked(self, kind: OperationKind, reference: str) -> bool:
        """Tell whether something is, was or will be asked of the processor for this shipment or refund."""
        operations: tuple[Attempt | QueuedOperation, ...] = (*self.attempts.values(), *self.queue)
        return any(each.kind is kind and each.reference == reference for each in operations)

    def of_reference(self, kind: OperationKind, reference: str) -> Iterator[Attempt]:
        """Iterate over the attempts for one shipment or refund; those that another one took the place of are left out."""
        for attempt in self.attempts.values():
            if attempt.kind is kind and attempt.reference == reference and attempt.result != SUPERSEDED:
                yield attempt


_OWED: Final = (OperationKind.VOID, OperationKind.REFUND)


def operation_id(order_id: str, kind: OperationKind, number: int = 1) -> str:
    """Return the id of an attempt, which is its idempotency key at the processor."""
    return f"{order_id}:{kind.value}" if number == 1 else f"{order_id}:{kind.value}:{number}"


def number_of(attempt_id: str) -> int:
    """Return which of its kind an attempt is, by its id."""
    return int(number) if (number := "".join(attempt_id.split(":")[2:])) else 1
